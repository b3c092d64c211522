package native

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"
)

// state is what a container's folder says about its process and cgroups. It is written before either is there, so that
// a server that is killed leaves nothing that the next one does not know of.
type state struct {
	Pid     int      // 0 before there is one
	Started uint64   // field 22 of /proc/PID/stat, clock ticks since boot
	Boot    string   // of the machine
	Cgroups []string // directories
}

func (s state) write(dir string) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	temp := filepath.Join(dir, stateFile+".new")
	if err := os.WriteFile(temp, text, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(dir, stateFile))
}

func readState(dir string) (state, error) {
	var s state
	text, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	return s, err
}

// lock keeps others from starting or removing the container of a folder; errdefs.ErrUnavailable if somebody does.
func lock(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("it is being started or removed: %w", errdefs.ErrUnavailable)
		}
		return nil, err
	}
	return func() {
		_ = unix.Flock(int(f.Fd()), unix.LOCK_UN) // a process that is being forked elsewhere may have the file a moment longer
		f.Close()
	}, nil
}

// describe says which process pid is.
func describe(pid int) (started uint64, boot string, err error) {
	f, err := processStat(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, "", err
	}
	if f[0] == "Z" || f[0] == "X" {
		return 0, "", unix.ESRCH
	}
	if started, err = strconv.ParseUint(f[19], 10, 64); err != nil {
		return 0, "", err
	}
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return started, strings.TrimSpace(string(id)), err
}

// processStat are the fields of a stat file from the third on, behind the name.
func processStat(name string) ([]string, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(f) < 22 {
		return nil, fmt.Errorf("%s: %d fields", name, len(f))
	}
	return f, nil
}

// Find finds the running container of a folder, which an earlier process may have started. errdefs.ErrNotFound if
// there is none, whatever has its number now.
func Find(dir string) (*Container, error) {
	none := func(why error) error {
		return fmt.Errorf("find the container of %s: %w: %w", dir, why, errdefs.ErrNotFound)
	}
	s, err := readState(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && s.Pid == 0 {
		return nil, none(errors.New("none was started"))
	}
	if err != nil {
		return nil, fmt.Errorf("find the container of %s: %w", dir, err)
	}
	// The descriptor first: what is found out afterwards is about the process that it is of, or about none.
	fd, err := unix.PidfdOpen(s.Pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, none(errors.New("its process has ended"))
	}
	started, boot, err := describe(s.Pid)
	if err != nil || started != s.Started || boot != s.Boot {
		unix.Close(fd)
		return nil, none(errors.New("its process has ended"))
	}
	return newContainer(dir, s, fd), nil
}

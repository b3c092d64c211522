package inside

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// The fields of /proc/PID/stat that say where a process's environment was put at its start, counted behind the command's
// name: see proc(5), env_start and env_end.
const (
	envStart = 50 - 3
	envEnd   = 51 - 3
)

// eraseVariable overwrites a variable of the environment where /proc/PID/environ shows it, which Unsetenv does not reach.
func eraseVariable(name string) error {
	stat, err := os.ReadFile("/proc/self/stat")
	if errors.Is(err, fs.ErrNotExist) {
		return nil // without /proc nobody sees it there
	}
	if err != nil {
		return err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) <= envEnd {
		return fmt.Errorf("/proc/self/stat has %d fields", len(fields))
	}
	start, err := strconv.ParseInt(fields[envStart], 10, 64)
	if err != nil {
		return err
	}
	end, err := strconv.ParseInt(fields[envEnd], 10, 64)
	if err != nil {
		return err
	}
	memory, err := os.OpenFile("/proc/self/mem", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer memory.Close()
	environment := make([]byte, max(end-start, 0))
	if _, err := memory.ReadAt(environment, start); err != nil {
		return err
	}
	offset := 0
	for variable := range bytes.SplitAfterSeq(environment, []byte{0}) {
		if value, found := bytes.CutPrefix(variable, []byte(name+"=")); found {
			if _, err := memory.WriteAt(make([]byte, len(value)), start+int64(offset+len(variable)-len(value))); err != nil {
				return err
			}
		}
		offset += len(variable)
	}
	return nil
}

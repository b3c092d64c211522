package cmd

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"

	"github.com/sockerless/sockerless/builtins"
	"github.com/sockerless/sockerless/dockerapi"
	"github.com/sockerless/sockerless/offload"
	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/store/content"
	"github.com/sockerless/sockerless/store/image"
	"github.com/sockerless/sockerless/store/layer"
	"github.com/sockerless/sockerless/store/state"
	"github.com/sockerless/sockerless/wasi"
)

// system is everything that a server consists of, wired. Its folder:
//
//	lock         held by the one server of the folder
//	instance     the id of this installation
//	cells        the path of the folder with the cells' sockets
//	authority    certificate and key that sign the gate's certificate; gate its secret: see agents.go
//	state/       records (badger)
//	layers/      layers of images; ingest/ downloads
//	containers/  upper trees and output of containers
//	probe/       what is tried at the start to find out what native containers can have here
//	unpacked/    files of images as directories, for native containers on this machine
//	volumes/     named volumes
type system struct {
	api    *dockerapi.Server
	inside *dockerapi.Inside // what containers ask, to be served as a listener is
	engine *runtime.Engine
	policy *offload.Source
	close  []func() error // in the order of opening
}

// openSystem takes hold of the data folder and finds again what an earlier server left.
func openSystem(ctx context.Context, config *Config, log *slog.Logger) (s *system, err error) {
	s = &system{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := os.MkdirAll(config.DataDir, 0o700); err != nil {
		return s, fmt.Errorf("make data-dir: %w", err)
	}
	if err := s.lock(config.DataDir); err != nil {
		return s, err
	}
	in := func(name string) string { return filepath.Join(config.DataDir, name) }
	executable, err := os.Executable()
	if err != nil {
		return s, fmt.Errorf("find this program: %w", err)
	}
	support, stopProbe := probe(ctx, executable, in("probe"), log)
	s.close = append(s.close, stopProbe)
	instance, err := kept(in("instance"), func() (string, error) { return rand.Text(), nil })
	if err != nil {
		return s, err
	}
	cells, err := kept(in("cells"), func() (string, error) { return cellsDir(config.DataDir), nil })
	if err != nil {
		return s, err
	}
	records, err := state.Open(in("state"), state.Options{Log: log})
	if err != nil {
		return s, err
	}
	s.close = append(s.close, records.Close)
	layers, err := layer.NewStore(in("layers"))
	if err != nil {
		return s, err
	}
	downloads, err := content.NewStore(in("ingest"), content.Options{Log: log})
	if err != nil {
		return s, err
	}
	images, err := image.New(ctx, image.Config{
		State: records, Layers: layers, Content: downloads, Registries: config.Registries, Builtins: builtins.Names(), Log: log})
	if err != nil {
		return s, err
	}
	version, err := build(executable)
	if err != nil {
		return s, fmt.Errorf("find the program for cells: %w", err)
	}
	sandbox := wasi.NewSandbox(wasi.SandboxConfig{
		Executable: executable, Arguments: []string{"cell", "--build", version},
		RuntimeDir: cells, Version: version, Server: instance, Log: log})
	s.close = append(s.close, sandbox.Close)
	if s.policy, err = offload.NewSource(config.file, log); err != nil {
		log.Error("the policy is wrong: native programs are refused until it is right", "error", err)
	}
	gate, err := config.Agents.open(config.DataDir, log)
	if err != nil {
		return s, err
	}
	if gate != nil {
		s.close = append(s.close, gate.Close)
	}
	scheduler, closeDrivers := offloadConfig{
		dataDir: config.DataDir, runtimeDir: cells, instance: instance, executable: executable,
		source: s.policy, state: records, images: images, support: support, gate: gate, log: log}.open(ctx)
	s.close = append(s.close, closeDrivers)
	inside := dockerapi.NewInside()
	s.inside = inside
	s.engine, err = runtime.New(ctx, runtime.Config{
		DataDir: config.DataDir, InstanceID: instance, Version: Version, GitCommit: commit(), Log: log,
		Backend: sandbox, Offload: scheduler, Status: func() [][2]string { return append(status(support()), gate.status()...) }, State: records, Images: images,
		Sockets: config.sockets(), Connect: inside.Connect, Binds: config.AllowBind})
	if err != nil {
		return s, err
	}
	s.close = append(s.close, func() error { return s.engine.Close(context.WithoutCancel(ctx)) })
	sandbox.Prepare()
	s.api = dockerapi.New(dockerapi.Config{Engine: dockerapi.FromRuntime(s.engine), Version: Version, Check: checker(scheduler, images, config.DataDir), Log: log})
	return s, nil
}

// Close lets go of everything, the last opened first. Running containers go on.
func (s *system) Close() error {
	var errs []error
	for i := len(s.close) - 1; i >= 0; i-- {
		errs = append(errs, s.close[i]())
	}
	return errors.Join(errs...)
}

// lock makes sure that this is the only server of the folder: two would write the same state.
func (s *system) lock(dir string) error {
	lock := flock.New(filepath.Join(dir, "lock"))
	held, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("lock %s: %w", dir, err)
	}
	if !held {
		return fmt.Errorf("another sockerless uses %s: set DOCKER_HOST to its address, stop it, or choose another folder with --data-dir", dir)
	}
	s.close = append(s.close, lock.Unlock)
	return nil
}

// kept is a value that the folder remembers from the first server on it.
func kept(file string, first func() (string, error)) (string, error) {
	data, err := os.ReadFile(file)
	if err == nil && len(data) > 0 {
		return strings.TrimSpace(string(data)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	value, err := first()
	if err != nil {
		return "", err
	}
	temporary := file + ".new"
	if err := os.WriteFile(temporary, []byte(value+"\n"), 0o600); err != nil {
		return "", err
	}
	return value, os.Rename(temporary, file)
}

// cellsDir is a folder for the cells' sockets: they need short paths, so it is not in the data folder but named after it.
func cellsDir(dataDir string) string {
	sum := sha256.Sum256([]byte(dataDir))
	return filepath.Join(runtimeDir(), "sockerless-"+hex.EncodeToString(sum[:6]))
}

package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"

	"github.com/sockerless/sockerless/store/image"
)

// Config is the configuration file of the server, in YAML. Every key but registries, agents and offload has a flag of the same name.
type Config struct {
	Listen     []string               `yaml:"listen"`     // unix:///path or tcp://host:port
	DataDir    string                 `yaml:"data-dir"`   // where everything that lasts is kept
	LogFormat  string                 `yaml:"log-format"` // text or json
	LogLevel   string                 `yaml:"log-level"`  // debug, info, warn or error
	TLSCert    string                 `yaml:"tls-cert"`   // the server's certificate (PEM file)
	TLSKey     string                 `yaml:"tls-key"`    // its key (PEM file)
	TLSCA      string                 `yaml:"tls-ca"`     // the authority of the clients' certificates (PEM file)
	AllowBind  []string               `yaml:"allow-bind"` // folders that clients over TCP and in containers may mount
	Registries image.RegistriesConfig `yaml:"registries"` // by host, as in an image's name
	Agents     AgentsConfig           `yaml:"agents"`     // where agents of other machines dial back
	Offload    yaml.Node              `yaml:"offload"`    // the policy: package offload reads it, again when it changes

	file string // where this was read; "" is nowhere
}

// flags registers a flag for every key, with the defaults, and returns the name of the configuration file.
func (c *Config) flags(f *pflag.FlagSet) *string {
	file := f.String("config", "", "configuration `FILE` (YAML)")
	f.StringArrayVar(&c.Listen, "listen", []string{defaultListen()}, "`ADDRESS` to listen on, unix:///path or tcp://host:port (may be repeated)")
	f.StringVar(&c.DataDir, "data-dir", defaultDataDir(), "`FOLDER` for images, containers and their state")
	f.StringArrayVar(&c.AllowBind, "allow-bind", nil, "`FOLDER` of this machine that clients over TCP and in containers may mount (may be repeated)")
	f.StringVar(&c.LogFormat, "log-format", "text", "text or json")
	f.StringVar(&c.LogLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&c.TLSCert, "tls-cert", "", "server certificate `FILE` for tcp:// (PEM)")
	f.StringVar(&c.TLSKey, "tls-key", "", "server key `FILE` (PEM)")
	f.StringVar(&c.TLSCA, "tls-ca", "", "`FILE` with the authority of client certificates (PEM)")
	return file
}

// load reads the configuration: flags over variables over the file over the defaults.
func (c *Config) load(f *pflag.FlagSet, file string) error {
	if file == "" {
		file = os.Getenv(environment("config"))
	}
	if file != "" {
		if err := c.readFile(f, file); err != nil {
			return err
		}
	}
	var err error
	f.VisitAll(func(flag *pflag.Flag) {
		value, set := os.LookupEnv(environment(flag.Name))
		if err != nil || !set || flag.Changed || flag.Name == "config" {
			return
		}
		if list, ok := flag.Value.(pflag.SliceValue); ok {
			err = list.Replace(strings.Split(value, ","))
		} else {
			err = flag.Value.Set(value)
		}
		if err != nil {
			err = fmt.Errorf("%s=%q: %w", environment(flag.Name), value, err)
		}
	})
	if err != nil {
		return err
	}
	return c.check()
}

// readFile takes from the file what no flag has set.
func (c *Config) readFile(f *pflag.FlagSet, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	c.file = file
	flagged := *c
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("configuration %s: %s", file, yamlError(err))
	}
	for name, restore := range map[string]func(){
		"listen": func() { c.Listen = flagged.Listen }, "data-dir": func() { c.DataDir = flagged.DataDir },
		"allow-bind": func() { c.AllowBind = flagged.AllowBind },
		"log-format": func() { c.LogFormat = flagged.LogFormat }, "log-level": func() { c.LogLevel = flagged.LogLevel },
		"tls-cert": func() { c.TLSCert = flagged.TLSCert }, "tls-key": func() { c.TLSKey = flagged.TLSKey },
		"tls-ca": func() { c.TLSCA = flagged.TLSCA },
	} {
		if f.Changed(name) {
			restore()
		}
	}
	return nil
}

var unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)

// yamlError is a YAML error in the words of the file: its line and key, not our Go types.
func yamlError(err error) string {
	var typed *yaml.TypeError
	if !errors.As(err, &typed) {
		return strings.TrimPrefix(err.Error(), "yaml: ")
	}
	lines := make([]string, len(typed.Errors))
	for i, e := range typed.Errors {
		lines[i] = unknownField.ReplaceAllString(e, `unknown key "$1"`)
	}
	return strings.Join(lines, "; ")
}

func (c *Config) check() error {
	if len(c.Listen) == 0 {
		return errors.New("configuration: listen is empty: name at least one address, such as " + defaultListen())
	}
	if c.DataDir == "" {
		return errors.New("configuration: data-dir is empty: name a folder for images and containers")
	}
	abs, err := filepath.Abs(c.DataDir)
	if err != nil {
		return fmt.Errorf("configuration: data-dir: %w", err)
	}
	c.DataDir = abs
	for i, dir := range c.AllowBind {
		if c.AllowBind[i], err = realPath(dir); err != nil {
			return fmt.Errorf("configuration: allow-bind: %w", err)
		}
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		return fmt.Errorf("configuration: log-format %q: it is text or json", c.LogFormat)
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return fmt.Errorf("configuration: log-level %q: it is debug, info, warn or error", c.LogLevel)
	}
	return c.Agents.check()
}

// realPath is an absolute path without symbolic links.
func realPath(name string) (string, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}

// sockets are the paths of the unix sockets that are listened on.
func (c *Config) sockets() (paths []string) {
	for _, address := range c.Listen {
		if path, ok := strings.CutPrefix(address, "unix://"); ok {
			paths = append(paths, path)
		}
	}
	return paths
}

// logger is the server's log, in the form that the configuration asks for.
func (c *Config) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // check has tried it
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// defaultListen is a socket in the user's runtime folder, or in /run for root.
func defaultListen() string {
	return "unix://" + filepath.ToSlash(filepath.Join(runtimeDir(), "sockerless.sock"))
}

// runtimeDir is where sockets live: short, private, gone after a reboot.
func runtimeDir() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return dir
	}
	if os.Getuid() == 0 {
		return "/run"
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("sockerless-%d", os.Getuid()))
}

func defaultDataDir() string {
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "sockerless")
	}
	if os.Getuid() == 0 {
		return "/var/lib/sockerless"
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "share", "sockerless")
	}
	return filepath.Join(os.TempDir(), "sockerless-data")
}

package inside

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
)

// The Runtime API of AWS Lambda, as of 2018-06-01.
const (
	runtimeVariable = "AWS_LAMBDA_RUNTIME_API" // host:port
	runtimePath     = "/2018-06-01/runtime/invocation/"
	requestHeader   = "Lambda-Runtime-Aws-Request-Id"
	deadlineHeader  = "Lambda-Runtime-Deadline-Ms"
)

// invoked is the command "sockerless-agent invoked": it is the agent of one task, and then begins anew in the same sandbox, of which
// nothing is left but the sandbox itself. Between two invocations it is frozen.
func invoked(ctx context.Context, build string, stderr io.Writer) error {
	api := "http://" + os.Getenv(runtimeVariable) + runtimePath
	if os.Getenv(runtimeVariable) == "" {
		return errdefs.ErrInvalidArgument.WithMessage("this is no function of AWS Lambda: " + runtimeVariable + " is not set")
	}
	if err := clearFolder(os.TempDir()); err != nil {
		return fmt.Errorf("remove what an earlier container has left: %w", err)
	}
	client := &http.Client{Transport: &http.Transport{}} // without a proxy
	answer, err := client.Get(api + "next")
	if err != nil {
		return fmt.Errorf("ask for an invocation: %w", err)
	}
	event, err := io.ReadAll(answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status)
	}
	if err != nil {
		return fmt.Errorf("ask for an invocation: %w", err)
	}
	request := answer.Header.Get(requestHeader)
	result, body := "/response", any("ended")
	if err := attend(ctx, answer.Header, event, build, stderr); err != nil {
		result, body = "/error", map[string]string{"errorType": "Sockerless.Agent", "errorMessage": err.Error()}
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	told, err := client.Post(api+request+result, "application/json", bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("end the invocation: %w", err)
	}
	_ = told.Body.Close()
	return fmt.Errorf("begin anew: %w", syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
}

// attend is the agent of one invocation, until its end.
func attend(ctx context.Context, header http.Header, event []byte, build string, stderr io.Writer) error {
	var i Invocation
	if err := json.Unmarshal(event, &i); err != nil {
		return errdefs.ErrInvalidArgument.WithMessage("the event is not for this function: " + err.Error())
	}
	limit, err := strconv.ParseInt(header.Get(deadlineHeader), 10, 64)
	if err != nil {
		return fmt.Errorf("%s: %w", deadlineHeader, err)
	}
	note := func(said string) {
		_ = json.NewEncoder(stderr).Encode(Note{said, header.Get(requestHeader), i.Tags}) // the log is not all that there is
	}
	s := secrets{token: i.Environment[TokenVariable], ca: i.Environment[CAVariable], identity: i.Environment[IdentityVariable]}
	return serve(ctx, i.Arguments, build, stderr, s, func(c *Config) {
		c.Directory = Directory
		c.endBy(time.UnixMilli(limit).Add(-Ahead))
		c.Admitted = func() { note(NoteAdmitted) }
		c.Refused = func() { note(NoteRefused) }
	})
}

// clearFolder removes what is in a folder.
func clearFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if walkErr := filepath.WalkDir(name, func(p string, d fs.DirEntry, _ error) error {
			if d != nil && d.IsDir() {
				_ = os.Chmod(p, 0o700) // else it is RemoveAll that fails
			}
			return nil
		}); walkErr != nil {
			err = errors.Join(err, walkErr)
		}
		err = errors.Join(err, os.RemoveAll(name))
	}
	return err
}

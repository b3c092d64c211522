package offload

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"sync"

	"github.com/containerd/errdefs"
)

// AgentProgram is the agent's program for a platform: a static binary on this machine.
type AgentProgram struct {
	Path      string
	Arguments []string // that come before the agent's own, where the program is more than the agent
	ID        string   // that no other program has: the beginning of its digest, 12 hex digits
}

// AgentPrograms finds the agent's program for a platform ("linux/arm64"; "" is this machine's): the small one that is built
// beside the server's, as sockerless-agent-linux-arm64, or else the server's own, which can be an agent where it is of that
// platform. Errors: errdefs.ErrFailedPrecondition where there is none.
func AgentPrograms(executable string) func(platform string) (AgentProgram, error) {
	var mu sync.Mutex
	known := map[string]AgentProgram{}
	return func(platform string) (AgentProgram, error) {
		architecture := goruntime.GOARCH
		if parts := strings.Split(platform, "/"); len(parts) > 1 {
			architecture = parts[1]
		}
		mu.Lock()
		defer mu.Unlock()
		if p, ok := known[architecture]; ok {
			return p, nil
		}
		p := AgentProgram{Path: filepath.Join(filepath.Dir(executable), "sockerless-agent-linux-"+architecture)}
		_, err := os.Stat(p.Path)
		if errors.Is(err, fs.ErrNotExist) && goruntime.GOOS == "linux" && architecture == goruntime.GOARCH {
			p, err = AgentProgram{Path: executable, Arguments: []string{"agent"}}, nil
		}
		if err != nil {
			return p, errdefs.ErrFailedPrecondition.WithMessage(fmt.Sprintf(
				"there is no agent for linux/%s: %v; `make build` puts it beside the server's program", architecture, err))
		}
		if p.ID, err = digestOf(p.Path); err != nil {
			return p, fmt.Errorf("read the agent's program: %w", err)
		}
		known[architecture] = p
		return p, nil
	}
}

func digestOf(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)[:6]), nil
}

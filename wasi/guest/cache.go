package guest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// cached is how many compiled modules are kept that nobody runs.
const cached = 8

// Cache keeps compiled modules by the digest of their file: compiling takes from milliseconds to seconds.
type Cache struct {
	mu      sync.Mutex
	modules map[[sha256.Size]byte]*compiled
	idle    []*compiled // not in use, the longest unused first
}

// NewCache makes an empty cache.
func NewCache() *Cache { return &Cache{modules: map[[sha256.Size]byte]*compiled{}} }

// compiled is a module with a runtime of its own, so that both can be freed together.
type compiled struct {
	digest  [sha256.Size]byte
	users   int
	ready   chan struct{} // closed when the rest is set
	runtime wazero.Runtime
	module  wazero.CompiledModule
	err     error
}

// get compiles a module, unless it is there. release must be called when no instance of it is left. Whoever waits for
// the compiler gives up when ctx ends.
func (c *Cache) get(ctx context.Context, module []byte) (*compiled, func(), error) {
	digest := sha256.Sum256(module)
	c.mu.Lock()
	m := c.modules[digest]
	if m == nil {
		m = &compiled{digest: digest, ready: make(chan struct{}), users: 1} // one user is the compiler
		c.modules[digest] = m
		go func() {
			m.compile(module)
			close(m.ready)
			c.release(m)
		}()
	}
	m.users++
	if i := slices.Index(c.idle, m); i >= 0 {
		c.idle = slices.Delete(c.idle, i, i+1)
	}
	c.mu.Unlock()
	release := func() { c.release(m) }
	select {
	case <-m.ready:
	case <-ctx.Done():
		release()
		return nil, nil, context.Cause(ctx)
	}
	if m.err != nil {
		release()
		return nil, nil, m.err
	}
	return m, release, nil
}

func (m *compiled) compile(module []byte) {
	ctx := context.Background()
	m.runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCloseOnContextDone(true))
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, m.runtime); err != nil {
		m.err = fmt.Errorf("set up WASI: %w", err)
		return
	}
	m.module, m.err = m.runtime.CompileModule(ctx, module)
}

// release ends a use. A module that is not used and not among those kept is freed.
func (c *Cache) release(m *compiled) {
	c.mu.Lock()
	m.users--
	var gone *compiled
	if m.users == 0 {
		if m.err == nil {
			c.idle = append(c.idle, m)
			if len(c.idle) > cached {
				gone, c.idle = c.idle[0], slices.Delete(c.idle, 0, 1)
			}
		} else {
			gone = m
		}
		if gone != nil {
			delete(c.modules, gone.digest)
		}
	}
	c.mu.Unlock()
	if gone != nil {
		_ = gone.runtime.Close(context.Background())
	}
}

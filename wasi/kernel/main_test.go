package kernel_test

import (
	"testing"

	"go.uber.org/goleak"
)

// No goroutine is left when a container has ended.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

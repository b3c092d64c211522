package network_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain holds that nothing that a session started is left behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

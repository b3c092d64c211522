package state

import (
	"fmt"
	"log/slog"
	"strings"
)

// badgerLog passes badger's messages on, lowered: what it calls info is of interest only to who debugs the store.
type badgerLog struct{ log *slog.Logger }

func (l badgerLog) Errorf(f string, a ...any)   { l.log.Error(line(f, a)) }
func (l badgerLog) Warningf(f string, a ...any) { l.log.Warn(line(f, a)) }
func (l badgerLog) Infof(f string, a ...any)    { l.log.Debug(line(f, a)) }
func (l badgerLog) Debugf(string, ...any)       {}

func line(format string, args []any) string {
	return "state: " + strings.TrimSpace(fmt.Sprintf(format, args...))
}

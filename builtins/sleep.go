package builtins

import (
	"math"
	"strconv"
	"strings"
	"time"
)

var sleepUsage = usage{synopsis: "NUMBER[SUFFIX]...", about: "Pause for NUMBER seconds (s), minutes (m), hours (h) or days (d).", inOrder: true}

// forever is how long "infinity" is.
const forever = time.Duration(math.MaxInt64)

func sleep(p *Process) int {
	_, operands, status, done := p.parse(sleepUsage)
	if done {
		return status
	}
	if len(operands) == 0 {
		return p.missingOperand(sleepUsage)
	}
	total := time.Duration(0)
	for _, text := range operands {
		d, ok := parseInterval(text)
		if !ok {
			p.Errorf("invalid time interval %s", quote(text))
			status = 1
			continue
		}
		if total > forever-d {
			total = forever
		} else {
			total += d
		}
	}
	if status != 0 {
		return p.tryHelp(sleepUsage)
	}
	return p.pause(total)
}

func usleep(p *Process) int {
	if len(p.Args) != 2 || atoiOr(p.Args[1], -1) < 0 {
		p.Errorf("usage: usleep N (microseconds)")
		return 1
	}
	return p.pause(time.Duration(atoiOr(p.Args[1], 0)) * time.Microsecond)
}

// pause waits; the status is not 0 if the process was killed meanwhile.
func (p *Process) pause(d time.Duration) (status int) {
	p.System.Block(func() {
		if d == forever {
			<-p.Context.Done()
			status = 1
			return
		}
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.Context.Done():
			status = 1
		}
	})
	return status
}

// parseInterval reads "1.5", "2m", "infinity": what sleep and timeout take.
func parseInterval(text string) (time.Duration, bool) {
	unit := time.Second
	number := text
	if text != "" {
		if at := strings.IndexByte("smhd", text[len(text)-1]); at >= 0 {
			unit = []time.Duration{time.Second, time.Minute, time.Hour, 24 * time.Hour}[at]
			number = text[:len(text)-1]
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil && !math.IsInf(f, 1) || math.IsNaN(f) || f < 0 || strings.Contains(number, "_") {
		return 0, false
	}
	if f*float64(unit) >= float64(forever) {
		return forever, true
	}
	return time.Duration(math.Ceil(f * float64(unit))), true
}

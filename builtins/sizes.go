package builtins

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// humanSize is GNU's -h: at most three digits, rounded up, in powers of base (1024 or 1000).
func humanSize(n, base int64) string {
	if n < base {
		return strconv.FormatInt(n, 10)
	}
	units := "KMGTPE"
	if base == 1000 {
		units = "kMGTPE"
	}
	value, unit := float64(n), -1
	for value >= float64(base) && unit < len(units)-1 {
		value /= float64(base)
		unit++
	}
	if value < 10 {
		tenths := math.Ceil(value*10 - 1e-9)
		if tenths < 100 {
			return fmt.Sprintf("%.1f%c", tenths/10, units[unit])
		}
	}
	whole := math.Ceil(value - 1e-9)
	if whole >= float64(base) && unit < len(units)-1 {
		return fmt.Sprintf("1.0%c", units[unit+1])
	}
	return fmt.Sprintf("%.0f%c", whole, units[unit])
}

var errInvalidSize = errors.New("invalid size")

// parseSize reads "10", "4k", "1M", "2GiB", "3MB" (powers of 1000), "1b" (512), "K" alone is 1024.
func parseSize(text string) (int64, error) {
	digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
	n := int64(1)
	if digits > 0 {
		var err error
		if n, err = strconv.ParseInt(text[:digits], 10, 64); err != nil {
			return 0, errInvalidSize
		}
	}
	unit := text[digits:]
	if digits == 0 && unit == "" {
		return 0, errInvalidSize
	}
	factor, ok := sizeFactor(unit)
	if !ok || n > math.MaxInt64/factor {
		return 0, errInvalidSize
	}
	return n * factor, nil
}

func sizeFactor(unit string) (int64, bool) {
	switch unit {
	case "":
		return 1, true
	case "c":
		return 1, true
	case "w":
		return 2, true
	case "b":
		return 512, true
	case "kB":
		return 1000, true
	}
	power := strings.IndexByte("KMGTPE", unit[0]&^32) + 1
	if power == 0 {
		return 0, false
	}
	base := int64(1024)
	switch unit[1:] {
	case "", "iB":
	case "B":
		base = 1000
	default:
		return 0, false
	}
	factor := int64(1)
	for range power {
		factor *= base
	}
	return factor, true
}

package runtime

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseTime reads a time as the queries since and until have it: Unix seconds with or without a fraction of up to nine
// digits, a date or time in the forms of RFC 3339 (without a zone it is local), or a duration before now, as 10m.
func ParseTime(value string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(value); err == nil && value != "0" {
		return now.Add(-d), nil
	}
	for _, layout := range []string{
		time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15Z07:00", "2006-01-02Z07:00",
	} {
		if t, err := time.Parse(layout, value); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02T15", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, value, time.Local); err == nil {
			return t, nil
		}
	}
	whole, fraction, _ := strings.Cut(value, ".")
	s, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("failed to parse value as time or duration: %q", value)
	}
	if fraction == "" {
		return time.Unix(s, 0), nil
	}
	if len(fraction) > 9 {
		fraction = fraction[:9]
	}
	n, err := strconv.ParseInt(fraction+strings.Repeat("0", 9-len(fraction)), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("failed to parse value as time or duration: %q", value)
	}
	return time.Unix(s, n), nil
}

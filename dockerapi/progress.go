package dockerapi

import (
	"fmt"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/jsonstream"
)

// barWidth is how many characters dockerd draws between the brackets of a bar.
const barWidth = 50

// progressBar draws progress as dockerd does for clients that show its text, those of `progress`:
//
//	[=>                                                 ]  36.63kB/1.149MB
func progressBar(p *jsonstream.Progress) string {
	if p.Current <= 0 && p.Total <= 0 {
		return ""
	}
	if p.Total <= 0 {
		return amount(p.Current, p.Units)
	}
	filled := min(int(float64(p.Current)/float64(p.Total)*100)/2, barWidth)
	bar := "[" + strings.Repeat("=", filled) + ">" + strings.Repeat(" ", barWidth-filled) + "] "
	switch {
	case p.HideCounts:
	case p.Current > p.Total: // what was announced is wrong
		bar += amount(p.Current, p.Units)
	case p.Units == "":
		bar += amount(p.Current, "") + "/" + units.HumanSize(float64(p.Total))
	default:
		bar += fmt.Sprintf("%d/%d %s", p.Current, p.Total, p.Units)
	}
	if p.Current > 0 && p.Start > 0 && filled < barWidth {
		each := time.Since(time.Unix(p.Start, 0)) / time.Duration(p.Current)
		left := time.Duration(p.Total-p.Current) * each
		bar += " " + left.Truncate(time.Second).String()
	}
	return bar
}

func amount(n int64, unit string) string {
	if unit == "" {
		return fmt.Sprintf("%8v", units.HumanSize(float64(n)))
	}
	return fmt.Sprintf("%d %s", n, unit)
}

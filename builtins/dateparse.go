package builtins

import (
	"strconv"
	"strings"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// atoiOr reads a decimal number; what is none gives otherwise.
func atoiOr(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return otherwise
}

// parseDate reads the common forms of GNU's date input: "@1700000000", ISO 8601, RFC 2822, "2024-01-31 12:00 UTC",
// "10:00", "3 days ago", "yesterday", "next month", "last friday", "+2 hours", and combinations. now stands for what
// is not said, zone for a time without one.
func parseDate(text string, now time.Time, zone *time.Location) (time.Time, bool) {
	text = strings.TrimSpace(text)
	if text == "" {
		text = "00:00"
	}
	if strings.HasPrefix(text, "TZ=\"") {
		if name, rest, ok := strings.Cut(text[4:], `"`); ok {
			return parseDate(rest, now, loadZone(name))
		}
	}
	if rest, ok := strings.CutPrefix(text, "@"); ok {
		return parseEpoch(rest)
	}
	d := dateParser{now: now.In(zone), zone: zone, tokens: dateTokens(text)}
	for len(d.tokens) > 0 {
		if !d.next() {
			return time.Time{}, false
		}
	}
	return d.result()
}

func parseEpoch(text string) (time.Time, bool) {
	whole, fraction, has := strings.Cut(text, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	nanos := 0
	if has {
		if strings.Trim(fraction, "0123456789") != "" {
			return time.Time{}, false
		}
		nanos = atoiOr((fraction + "000000000")[:9], 0)
	}
	if strings.HasPrefix(whole, "-") && nanos > 0 {
		return time.Unix(seconds, -int64(nanos)), true
	}
	return time.Unix(seconds, int64(nanos)), true
}

// dateTokens splits into words, numbers with what belongs to them (2024-01-31, 12:00:00.5), signs before numbers, and
// commas dropped.
func dateTokens(text string) []string {
	var tokens []string
	lower := strings.ToLower(text)
	kind := func(c byte) int {
		switch {
		case c >= '0' && c <= '9' || c == ':' || c == '.' || c == '/':
			return 1
		case c >= 'a' && c <= 'z':
			return 2
		}
		return 0
	}
	for i := 0; i < len(lower); {
		c := lower[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == ',':
			i++
		case c == '(':
			end := strings.IndexByte(lower[i:], ')')
			if end < 0 {
				return []string{"("}
			}
			i += end + 1
		case kind(c) == 2:
			j := i
			for j < len(lower) && (kind(lower[j]) == 2 || lower[j] == '.' && j > i) {
				j++
			}
			tokens = append(tokens, strings.TrimRight(lower[i:j], "."))
			i = j
		case kind(c) == 1 || c == '+' || c == '-':
			j := i + 1
			for j < len(lower) && (kind(lower[j]) == 1 || lower[j] == '-' && kind(lower[j-1]) == 1 && isoDashed(lower[i:j])) {
				j++
			}
			tokens = append(tokens, lower[i:j])
			i = j
		default:
			return []string{"?"}
		}
	}
	return tokens
}

// isoDashed says whether a dash belongs to a date that has begun: "2024" or "2024-01".
func isoDashed(s string) bool {
	return strings.Trim(s, "0123456789-") == "" && strings.Count(s, "-") < 2 && s[0] != '-'
}

type dateParser struct {
	now    time.Time
	zone   *time.Location
	tokens []string

	hasDate, hasTime, hasZone, hasDay bool
	year, month, day                  int
	hour, minute, second, nano        int
	offset                            int // of the zone given, seconds east
	weekday, weekdayStep              int
	years, months, days               int // relative
	span                              time.Duration
}

var dateMonths = []string{"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"}
var dateDays = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// named finds a name or an abbreviation of at least three letters.
func named(list []string, word string) int {
	if len(word) >= 3 {
		for i, name := range list {
			if strings.HasPrefix(name, word) && (len(word) == 3 || word == name || len(word) == 4) {
				return i
			}
		}
	}
	return -1
}

func (d *dateParser) peek(i int) string {
	if i < len(d.tokens) {
		return d.tokens[i]
	}
	return ""
}

func (d *dateParser) drop(n int) bool {
	d.tokens = d.tokens[n:]
	return true
}

// next takes one item off the tokens.
func (d *dateParser) next() bool {
	word := d.tokens[0]
	switch c := word[0]; {
	case c == '+' || c == '-' || c >= '0' && c <= '9':
		return d.number(word)
	case c >= 'a' && c <= 'z':
		return d.word(word)
	}
	return false
}

func (d *dateParser) word(word string) bool {
	switch word {
	case "now", "today":
		return d.drop(1)
	case "midnight":
		d.hasTime, d.hour, d.minute, d.second, d.nano = true, 0, 0, 0, 0
		return d.drop(1)
	case "noon":
		d.hasTime, d.hour, d.minute, d.second, d.nano = true, 12, 0, 0, 0
		return d.drop(1)
	case "yesterday":
		d.days--
		return d.drop(1)
	case "tomorrow":
		d.days++
		return d.drop(1)
	case "utc", "gmt", "z", "ut":
		d.hasZone, d.offset = true, 0
		return d.drop(1)
	case "t": // between date and time
		return d.drop(1)
	case "est", "edt", "cst", "cdt", "mst", "mdt", "pst", "pdt", "cet", "cest", "met", "bst", "jst", "ist", "eet", "eest", "wet", "west", "msk":
		hours := map[string]float64{"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7, "cet": 1, "cest": 2, "met": 1,
			"bst": 1, "jst": 9, "ist": 5.5, "eet": 2, "eest": 3, "wet": 0, "west": 1, "msk": 3}
		d.hasZone, d.offset = true, int(hours[word]*3600)
		return d.drop(1)
	case "next", "last", "this":
		step := map[string]int{"next": 1, "last": -1, "this": 0}[word]
		unit := d.peek(1)
		if day := named(dateDays, unit); day >= 0 {
			d.hasDay, d.weekday, d.weekdayStep = true, day, step
			return d.drop(2)
		}
		return d.relative(unit, step, 2)
	}
	if day := named(dateDays, word); day >= 0 {
		d.hasDay, d.weekday = true, day
		return d.drop(1)
	}
	if month := named(dateMonths, word); month >= 0 {
		return d.monthFirst(month + 1)
	}
	ordinals := map[string]int{"a": 1, "an": 1, "first": 1, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6}
	if n, ok := ordinals[word]; ok {
		return d.relative(d.peek(1), n, 2)
	}
	return d.relative(word, 1, 1)
}

// monthFirst reads "Jan 31 2024", "Jan 31, 2024" and "Jan 31".
func (d *dateParser) monthFirst(month int) bool {
	day := atoiOr(d.peek(1), 0)
	if day < 1 || day > 31 {
		return false
	}
	used := 2
	year := d.now.Year()
	if y := d.peek(2); len(y) == 4 && atoiOr(y, -1) >= 0 {
		year, used = atoiOr(y, 0), 3
	}
	d.setDate(year, month, day)
	return d.drop(used)
}

func (d *dateParser) setDate(year, month, day int) {
	d.hasDate, d.year, d.month, d.day = true, year, month, day
}

func (d *dateParser) number(word string) bool {
	signed := word[0] == '+' || word[0] == '-'
	digits := strings.TrimLeft(word, "+-")
	switch {
	case digits == "" && d.peek(1) != "": // a sign apart from its number
		d.tokens = append([]string{word + d.peek(1)}, d.tokens[2:]...)
		return d.peek(0) != word
	case signed && d.hasTime && !d.hasZone && namedUnit(d.peek(1)) == "":
		return d.zoneOffset(word) && d.drop(1)
	case strings.Contains(digits, ":"):
		return d.clock(digits)
	case strings.Count(digits, "-") == 2 && !signed:
		f := strings.Split(digits, "-")
		d.setDate(fullYear(f[0]), atoiOr(f[1], 0), atoiOr(f[2], 0))
		return d.drop(1)
	case strings.Contains(digits, "/") && !signed:
		f := strings.Split(digits, "/")
		switch {
		case len(f) == 3 && len(f[0]) == 4:
			d.setDate(atoiOr(f[0], 0), atoiOr(f[1], 0), atoiOr(f[2], 0))
		case len(f) == 3:
			d.setDate(fullYear(f[2]), atoiOr(f[0], 0), atoiOr(f[1], 0))
		case len(f) == 2:
			d.setDate(d.now.Year(), atoiOr(f[0], 0), atoiOr(f[1], 0))
		default:
			return false
		}
		return d.drop(1)
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return false
	}
	if word[0] == '-' {
		n = -n
	}
	unit := d.peek(1)
	if !signed {
		if month := named(dateMonths, unit); month >= 0 { // 31 Jan 2024
			year, used := d.now.Year(), 2
			if y := d.peek(2); len(y) == 4 && atoiOr(y, -1) >= 0 {
				year, used = atoiOr(y, 0), 3
			}
			d.setDate(year, month+1, n)
			return d.drop(used)
		}
		if unit == "am" || unit == "pm" {
			return d.clock(digits)
		}
	}
	if namedUnit(unit) != "" {
		return d.relative(unit, n, 2)
	}
	switch {
	case signed:
		return false
	case len(digits) == 8 && !d.hasDate:
		d.setDate(n/10000, n/100%100, n%100)
		return d.drop(1)
	case len(digits) == 4 && d.hasDate && !d.hasTime:
		d.hasTime, d.hour, d.minute = true, n/100, n%100
		return d.drop(1)
	case len(digits) <= 2 && d.hasDate && !d.hasTime, len(digits) <= 2 && !d.hasDate && !d.hasTime:
		d.hasTime, d.hour = true, n
		return d.drop(1)
	case len(digits) == 4:
		d.hasTime, d.hour, d.minute = true, n/100, n%100
		return d.drop(1)
	}
	return false
}

func fullYear(text string) int {
	year := atoiOr(text, 0)
	if len(text) <= 2 {
		if year < 69 {
			return year + 2000
		}
		return year + 1900
	}
	return year
}

// clock reads 10:30, 10:30:15.5, with am or pm behind it.
func (d *dateParser) clock(digits string) bool {
	parts := strings.Split(digits, ":")
	if len(parts) > 3 {
		return false
	}
	d.hasTime = true
	d.hour, d.minute, d.second, d.nano = atoiOr(parts[0], 99), 0, 0, 0
	if len(parts) > 1 {
		d.minute = atoiOr(parts[1], 99)
	}
	if len(parts) > 2 {
		whole, fraction, has := strings.Cut(parts[2], ".")
		d.second = atoiOr(whole, 99)
		if has {
			d.nano = atoiOr((fraction + "000000000")[:9], 0)
		}
	}
	used := 1
	switch d.peek(1) {
	case "am", "a.m":
		if d.hour < 1 || d.hour > 12 {
			return false
		}
		d.hour %= 12
		used = 2
	case "pm", "p.m":
		if d.hour < 1 || d.hour > 12 {
			return false
		}
		d.hour = d.hour%12 + 12
		used = 2
	}
	if d.hour > 24 || d.minute > 59 || d.second > 60 {
		return false
	}
	return d.drop(used)
}

// zoneOffset reads +02:00, +0200 and +02.
func (d *dateParser) zoneOffset(word string) bool {
	digits := strings.ReplaceAll(word[1:], ":", "")
	if strings.Trim(digits, "0123456789") != "" || digits == "" || len(digits) > 4 {
		return false
	}
	n := atoiOr(digits, 0)
	if len(digits) <= 2 {
		n *= 100
	}
	d.hasZone, d.offset = true, n/100*3600+n%100*60
	if word[0] == '-' {
		d.offset = -d.offset
	}
	return true
}

func namedUnit(word string) string {
	units := map[string]string{"sec": "second", "min": "minute"}
	word = strings.TrimSuffix(word, "s")
	if full, ok := units[word]; ok {
		return full
	}
	switch word {
	case "second", "minute", "hour", "day", "week", "fortnight", "month", "year":
		return word
	}
	return ""
}

// relative adds n units; "ago" behind them turns them round.
func (d *dateParser) relative(unit string, n, used int) bool {
	name := namedUnit(unit)
	if name == "" {
		return false
	}
	if d.peek(used) == "ago" {
		n, used = -n, used+1
	}
	switch name {
	case "second":
		d.span += time.Duration(n) * time.Second
	case "minute":
		d.span += time.Duration(n) * time.Minute
	case "hour":
		d.span += time.Duration(n) * time.Hour
	case "day":
		d.days += n
	case "week":
		d.days += 7 * n
	case "fortnight":
		d.days += 14 * n
	case "month":
		d.months += n
	case "year":
		d.years += n
	}
	return d.drop(used)
}

func (d *dateParser) result() (time.Time, bool) {
	zone := d.zone
	base := d.now
	if d.hasZone {
		zone = time.FixedZone("", d.offset)
		base = base.In(zone)
	}
	year, month, day := base.Date()
	if d.hasDate {
		if d.month < 1 || d.month > 12 || d.day < 1 || d.day > time.Date(d.year, time.Month(d.month)+1, 0, 0, 0, 0, 0, time.UTC).Day() {
			return time.Time{}, false
		}
		year, month, day = d.year, time.Month(d.month), d.day
	}
	hour, minute, second, nano := base.Hour(), base.Minute(), base.Second(), base.Nanosecond()
	switch {
	case d.hasTime:
		hour, minute, second, nano = d.hour, d.minute, d.second, d.nano
	case d.hasDate || d.hasDay:
		hour, minute, second, nano = 0, 0, 0, 0
	}
	if d.hasDay && !d.hasDate {
		t := time.Date(year, month, day, 0, 0, 0, 0, zone)
		ahead := (d.weekday - int(t.Weekday()) + 7) % 7
		switch {
		case d.weekdayStep > 0 && ahead == 0:
			ahead = 7
		case d.weekdayStep < 0:
			ahead -= 7
		}
		day += ahead
	}
	t := time.Date(year+d.years, month+time.Month(d.months), day+d.days, hour, minute, second, nano, zone)
	return t.Add(d.span), true
}

package builtins

import "fmt"

// line writes a line behind a mark, and says so if it has no newline.
func (d *fileDiff) line(mark string, text []byte) {
	d.out.WriteString(mark)
	d.out.Write(text)
	if len(text) == 0 || text[len(text)-1] != '\n' {
		d.out.WriteString("\n\\ No newline at end of file\n")
	}
}

func (d *fileDiff) normal(a, b *diffSide, hunks []hunk) {
	span := func(from, to int) string {
		if to-from <= 1 {
			return itoa(to)
		}
		return itoa(from+1) + "," + itoa(to)
	}
	for _, h := range hunks {
		letter := "c"
		switch {
		case h.a0 == h.a1:
			letter = "a"
		case h.b0 == h.b1:
			letter = "d"
		}
		d.out.WriteString(span(h.a0, h.a1) + letter + span(h.b0, h.b1) + "\n")
		for _, line := range a.lines[h.a0:h.a1] {
			d.line("< ", line)
		}
		if letter == "c" {
			d.out.WriteString("---\n")
		}
		for _, line := range b.lines[h.b0:h.b1] {
			d.line("> ", line)
		}
	}
}

// header writes the two lines that name the files.
func (d *fileDiff) header(marks [2]string, sides [2]*diffSide, layout string) {
	for i, side := range sides {
		if i < len(d.labels) {
			d.out.WriteString(marks[i] + " " + d.labels[i] + "\n")
			continue
		}
		d.out.WriteString(marks[i] + " " + side.name + "\t" + strftime(layout, side.time.In(d.zone)) + "\n")
	}
}

// groups puts together the hunks whose context meets.
func (d *fileDiff) groups(hunks []hunk) [][]hunk {
	var groups [][]hunk
	for i, h := range hunks {
		if i > 0 && h.a0-hunks[i-1].a1 <= 2*d.context {
			last := len(groups) - 1
			groups[last] = append(groups[last], h)
			continue
		}
		groups = append(groups, []hunk{h})
	}
	return groups
}

// around is what a group of hunks covers with its context.
func (d *fileDiff) around(group []hunk, a, b *diffSide) hunk {
	first, last := group[0], group[len(group)-1]
	before := min(d.context, first.a0, first.b0)
	after := min(d.context, len(a.lines)-last.a1, len(b.lines)-last.b1)
	return hunk{first.a0 - before, last.a1 + after, first.b0 - before, last.b1 + after}
}

func (d *fileDiff) unified(a, b *diffSide, hunks []hunk) {
	d.header([2]string{"---", "+++"}, [2]*diffSide{a, b}, "%Y-%m-%d %H:%M:%S.%N %z")
	span := func(from, to int) string {
		switch to - from {
		case 1:
			return itoa(to)
		case 0:
			return itoa(from) + ",0"
		}
		return itoa(from+1) + "," + itoa(to-from)
	}
	for _, group := range d.groups(hunks) {
		all := d.around(group, a, b)
		fmt.Fprintf(d.out, "@@ -%s +%s @@\n", span(all.a0, all.a1), span(all.b0, all.b1))
		at := all.a0
		for _, h := range group {
			for ; at < h.a0; at++ {
				d.line(" ", a.lines[at])
			}
			for ; at < h.a1; at++ {
				d.line("-", a.lines[at])
			}
			for _, line := range b.lines[h.b0:h.b1] {
				d.line("+", line)
			}
		}
		for ; at < all.a1; at++ {
			d.line(" ", a.lines[at])
		}
	}
}

func (d *fileDiff) contextual(a, b *diffSide, hunks []hunk) {
	layout := "%a %b %e %T %Y"
	d.header([2]string{"***", "---"}, [2]*diffSide{a, b}, layout)
	span := func(from, to int) string {
		if to-from <= 1 {
			return itoa(to)
		}
		return itoa(from+1) + "," + itoa(to)
	}
	for _, group := range d.groups(hunks) {
		all := d.around(group, a, b)
		var deletes, inserts bool
		for _, h := range group {
			deletes, inserts = deletes || h.a0 < h.a1, inserts || h.b0 < h.b1
		}
		d.out.WriteString("***************\n*** " + span(all.a0, all.a1) + " ****\n")
		if deletes {
			d.contextSide(a, group, all.a0, all.a1, "- ")
		}
		d.out.WriteString("--- " + span(all.b0, all.b1) + " ----\n")
		if inserts {
			mirrored := make([]hunk, len(group))
			for i, h := range group {
				mirrored[i] = hunk{a0: h.b0, a1: h.b1, b0: h.a0, b1: h.a1}
			}
			d.contextSide(b, mirrored, all.b0, all.b1, "+ ")
		}
	}
}

// contextSide writes the lines from..to of one side, which the hunks call a; mark is for those that only it has.
func (d *fileDiff) contextSide(side *diffSide, group []hunk, from, to int, mark string) {
	at := from
	for _, h := range group {
		for ; at < h.a0; at++ {
			d.line("  ", side.lines[at])
		}
		own := mark
		if h.b0 < h.b1 {
			own = "! "
		}
		for ; at < h.a1; at++ {
			d.line(own, side.lines[at])
		}
	}
	for ; at < to; at++ {
		d.line("  ", side.lines[at])
	}
}

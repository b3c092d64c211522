package builtins

// hunk says that lines [a0,a1) of the first file stand where [b0,b1) of the second do. One of them may be empty.
type hunk struct{ a0, a1, b0, b1 int }

// diffLines compares two sequences of line numbers (equal lines have equal numbers) by Myers' algorithm in linear
// space, and gives the changes in order, placed as GNU diff places them.
func diffLines(a, b []int) []hunk {
	changedA, changedB := make([]bool, len(a)), make([]bool, len(b))
	linesA, indexA := common(a, b, changedA)
	linesB, indexB := common(b, a, changedB)
	d := &differ{a: linesA, b: linesB, changedA: changedA, changedB: changedB, indexA: indexA, indexB: indexB}
	size := len(linesA) + len(linesB) + 3
	d.forward, d.backward = make([]int, size), make([]int, size)
	d.compare(0, len(linesA), 0, len(linesB))
	slide(a, changedA, gaps(changedB))
	slide(b, changedB, gaps(changedA))
	var hunks []hunk
	for i, j := 0, 0; i < len(a) || j < len(b); {
		h := hunk{a0: i, b0: j}
		for i < len(a) && changedA[i] {
			i++
		}
		for j < len(b) && changedB[j] {
			j++
		}
		if h.a1, h.b1 = i, j; h.a0 < i || h.b0 < j {
			hunks = append(hunks, h)
			continue
		}
		i++
		j++
	}
	return hunks
}

// common gives the lines that the other file has too, and where they are; the others are marked as changed.
func common(lines, other []int, changed []bool) (kept, index []int) {
	present := make(map[int]bool, len(other))
	for _, line := range other {
		present[line] = true
	}
	for i, line := range lines {
		if present[line] {
			kept, index = append(kept, line), append(index, i)
		} else {
			changed[i] = true
		}
	}
	return kept, index
}

// gaps says for every n whether there are changes behind the n-th unchanged line.
func gaps(changed []bool) []bool {
	all := []bool{false}
	for _, c := range changed {
		if c {
			all[len(all)-1] = true
		} else {
			all = append(all, false)
		}
	}
	return all
}

type differ struct {
	a, b               []int
	changedA, changedB []bool
	indexA, indexB     []int // where the lines of a and b are in their files
	forward, backward  []int // furthest points on the diagonals, from both ends
}

// compare marks what differs between a[x0:x1] and b[y0:y1].
func (d *differ) compare(x0, x1, y0, y1 int) {
	for x0 < x1 && y0 < y1 && d.a[x0] == d.b[y0] {
		x0++
		y0++
	}
	for x0 < x1 && y0 < y1 && d.a[x1-1] == d.b[y1-1] {
		x1--
		y1--
	}
	switch {
	case x0 == x1:
		for ; y0 < y1; y0++ {
			d.changedB[d.indexB[y0]] = true
		}
	case y0 == y1:
		for ; x0 < x1; x0++ {
			d.changedA[d.indexA[x0]] = true
		}
	default:
		x, y := d.middle(x0, x1, y0, y1)
		d.compare(x0, x, y0, y)
		d.compare(x, x1, y, y1)
	}
}

// middle finds a point in the middle of a shortest edit script, searching from both ends at once.
func (d *differ) middle(x0, x1, y0, y1 int) (int, int) {
	origin := len(d.b) + 1 // diagonals are x-y; this makes them indexes
	low, high := x0-y1, x1-y0
	start, end := x0-y0, x1-y1
	fmin, fmax, bmin, bmax := start, start, end, end
	odd := (start-end)&1 != 0
	fd, bd := d.forward, d.backward
	fd[origin+start], bd[origin+end] = x0, x1
	for {
		if fmin > low {
			fmin--
			fd[origin+fmin-1] = -1
		} else {
			fmin++
		}
		if fmax < high {
			fmax++
			fd[origin+fmax+1] = -1
		} else {
			fmax--
		}
		for k := fmax; k >= fmin; k -= 2 {
			below, above := fd[origin+k-1], fd[origin+k+1]
			x := below + 1
			if below < above {
				x = above
			}
			y := x - k
			for x < x1 && y < y1 && d.a[x] == d.b[y] {
				x++
				y++
			}
			fd[origin+k] = x
			if odd && bmin <= k && k <= bmax && bd[origin+k] <= x {
				return x, y
			}
		}
		const far = int(^uint(0) >> 1)
		if bmin > low {
			bmin--
			bd[origin+bmin-1] = far
		} else {
			bmin++
		}
		if bmax < high {
			bmax++
			bd[origin+bmax+1] = far
		} else {
			bmax--
		}
		for k := bmax; k >= bmin; k -= 2 {
			below, above := bd[origin+k-1], bd[origin+k+1]
			x := below
			if below >= above {
				x = above - 1
			}
			y := x - k
			for x0 < x && y0 < y && d.a[x-1] == d.b[y-1] {
				x--
				y--
			}
			bd[origin+k] = x
			if !odd && fmin <= k && k <= fmax && x <= fd[origin+k] {
				return x, y
			}
		}
	}
}

// slide moves every run of changes as far down as the same text allows, merging it with the runs that it meets; if on
// the way it was level with a change of the other file (beside, by the number of unchanged lines before it), the last
// such place is taken. That is easier to read, and is where GNU diff shows a change.
func slide(lines []int, changed, beside []bool) {
	slot := 0 // unchanged lines before the run
	for i := 0; i < len(lines); {
		if !changed[i] {
			slot++
			i++
			continue
		}
		start, end := i, i
		for end < len(lines) && changed[end] {
			end++
		}
		up := func() {
			start--
			end--
			changed[start], changed[end] = true, false
			slot--
		}
		for length, level := 0, -1; ; {
			if length == end-start { // nothing was merged in the last round
				for level >= 0 && end > level {
					up()
				}
				break
			}
			length = end - start
			for start > 0 && lines[start-1] == lines[end-1] {
				up()
				for start > 0 && changed[start-1] {
					start--
				}
			}
			level = -1
			if beside[slot] {
				level = end
			}
			for end < len(lines) && lines[start] == lines[end] {
				changed[start], changed[end] = false, true
				start++
				end++
				slot++
				for end < len(lines) && changed[end] {
					end++
				}
				if beside[slot] {
					level = end
				}
			}
		}
		i = end
	}
}

package builtins

import (
	"bytes"
	"io"
	"slices"
)

// tsortNode is an item; successors are in the order of the input.
type tsortNode struct {
	name       string
	before     int // how many predecessors are still to be printed
	successors []*tsortNode
	printed    bool
}

func tsort(p *Process) int {
	u := usage{synopsis: "[OPTION] [FILE]", about: "Write totally ordered list consistent with the partial ordering in FILE."}
	_, names, status, done := p.parse(u)
	if done {
		return status
	}
	if len(names) > 1 {
		return p.extraOperand(u, names[1])
	}
	name := append(names, "-")[0]
	r, err := p.openInput(name)
	var data []byte
	if err == nil {
		data, err = io.ReadAll(r)
		r.Close()
	}
	if err != nil {
		p.Errorf("%s: %s", quoteWord(name), strerror(err))
		return 1
	}
	words := bytes.Fields(data)
	if len(words)%2 != 0 {
		p.Errorf("%s: input contains an odd number of tokens", quoteWord(name))
		return 1
	}
	nodes := map[string]*tsortNode{}
	node := func(word []byte) *tsortNode {
		n := nodes[string(word)]
		if n == nil {
			n = &tsortNode{name: string(word)}
			nodes[n.name] = n
		}
		return n
	}
	for i := 0; i < len(words); i += 2 {
		if a, b := node(words[i]), node(words[i+1]); a != b {
			a.successors = append(a.successors, b)
			b.before++
		}
	}
	sorted := make([]*tsortNode, 0, len(nodes))
	for _, n := range nodes {
		sorted = append(sorted, n)
	}
	slices.SortFunc(sorted, func(a, b *tsortNode) int { return bytes.Compare([]byte(a.name), []byte(b.name)) })
	out := p.output()
	for left := len(sorted); left > 0; {
		var queue []*tsortNode
		for _, n := range sorted {
			if n.before == 0 && !n.printed {
				queue = append(queue, n)
			}
		}
		for ; len(queue) > 0; queue = queue[1:] {
			n := queue[0]
			n.printed = true
			left--
			out.WriteString(n.name + "\n")
			for _, next := range slices.Backward(n.successors) { // the newest first, as GNU has them
				if next.before--; next.before == 0 {
					queue = append(queue, next)
				}
			}
		}
		if left > 0 {
			status = 1
			out.Flush()
			p.Errorf("%s: input contains a loop:", quoteWord(name))
			p.breakLoop(sorted)
		}
	}
	return out.finish(status)
}

// breakLoop finds a loop among what is left, shows it, and takes its last edge away.
func (p *Process) breakLoop(nodes []*tsortNode) {
	at := slices.IndexFunc(nodes, func(n *tsortNode) bool { return !n.printed })
	// What is left has predecessors that are left: going backwards must come to a node a second time.
	var trail []*tsortNode
	for n := nodes[at]; !slices.Contains(trail, n); {
		trail = append(trail, n)
		for _, before := range nodes {
			if !before.printed && slices.Contains(before.successors, n) {
				n = before
				break
			}
		}
		if first := slices.Index(trail, n); first >= 0 {
			trail = trail[first:]
			break
		}
	}
	slices.Reverse(trail)
	if first := slices.IndexFunc(trail, func(n *tsortNode) bool { return slices.Index(nodes, n) <= slices.Index(nodes, nodes[at]) }); first > 0 {
		trail = slices.Concat(trail[first:], trail[:first])
	}
	for _, n := range trail {
		p.Errorf("%s", n.name)
	}
	from, to := trail[len(trail)-1], trail[0]
	i := slices.Index(from.successors, to)
	from.successors = slices.Delete(from.successors, i, i+1)
	to.before--
}

package builtins

import (
	"fmt"
	"io"
)

// sum prints the 16-bit checksums of BSD (-r) and System V (-s).
func sum(p *Process) int {
	opts, names, status, done := p.parse(usage{synopsis: "[OPTION]... [FILE]...", about: "Print or check BSD (16-bit) checksums.", options: []string{"r", "s sysv"}})
	if done {
		return status
	}
	sysv := len(opts) > 0 && opts[len(opts)-1].name == "s"
	out := p.output()
	buf := make([]byte, copySize)
	status = p.forInputs(names, func(name string, r io.Reader) error {
		var total uint32
		var size int64
		for {
			n, err := r.Read(buf)
			size += int64(n)
			for _, c := range buf[:n] {
				if sysv {
					total += uint32(c)
				} else {
					total = (total>>1 + total&1<<15 + uint32(c)) & 0xffff
				}
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
		}
		shown := ""
		if len(names) > 0 {
			shown = " " + name
		}
		if sysv {
			total = total&0xffff + total>>16
			total = total&0xffff + total>>16
			fmt.Fprintf(out, "%d %d%s\n", total, (size+511)/512, shown)
		} else {
			fmt.Fprintf(out, "%05d %5d%s\n", total, (size+1023)/1024, shown)
		}
		return nil
	})
	return out.finish(status)
}

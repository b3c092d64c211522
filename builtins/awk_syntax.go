package builtins

// awkExpr is an expression.
type awkExpr interface{}

// The expressions. A variable is known by its scope and index.
type (
	awkConst    struct{ v awkValue }
	awkRegexLit struct{ re *Regexp }
	awkVar      struct {
		local bool
		index int
		name  string
	}
	awkField struct{ index awkExpr }
	awkIndex struct {
		array awkVar
		subs  []awkExpr
	}
	awkAssign struct {
		op     string // "=" or an operator such as "+"
		target awkExpr
		value  awkExpr
	}
	awkTernary struct{ test, yes, no awkExpr }
	awkBinary  struct {
		op          string
		left, right awkExpr
	}
	awkUnary struct {
		op string
		x  awkExpr
	}
	awkIncrement struct {
		target awkExpr
		delta  float64
		before bool
	}
	awkMatch struct {
		left, right awkExpr
		not         bool
	}
	awkIn struct {
		subs  []awkExpr
		array awkVar
	}
	awkGroup   struct{ x awkExpr }
	awkGetline struct {
		kind   byte // 0 the input, '<' a file, '|' a command
		source awkExpr
		target awkExpr
	}
	awkCall struct {
		name string
		f    *awkFunction
		args []awkExpr
	}
	awkBuiltinCall struct {
		name string
		args []awkExpr
	}
)

// awkStmt is a statement.
type awkStmt interface{}

// The statements.
type (
	awkExprStmt struct{ x awkExpr }
	awkPrint    struct {
		format bool
		args   []awkExpr
		kind   string // "", ">", ">>" or "|"
		dest   awkExpr
	}
	awkIf struct {
		test    awkExpr
		yes, no awkStmt
	}
	awkLoop struct {
		before, after awkStmt
		test          awkExpr // nil: always
		body          awkStmt
		bodyFirst     bool
	}
	awkForIn struct {
		target awkExpr
		array  awkVar
		body   awkStmt
	}
	awkBlock  struct{ list []awkStmt }
	awkDelete struct {
		array awkVar
		subs  []awkExpr // none: the whole array
	}
	awkJump struct {
		kind  int // one of the awk…Jump
		value awkExpr
	}
)

// Why a statement did not run to its end.
const (
	awkNoJump = iota
	awkBreakJump
	awkContinueJump
	awkNextJump
	awkNextFileJump
	awkExitJump
	awkReturnJump
)

// awkFunction is a function of the program.
type awkFunction struct {
	name    string
	params  []string
	body    awkStmt
	defined bool
	line    int
}

// awkRule is a pattern with its action.
type awkRule struct {
	from, to awkExpr // nil: always; to is set in a range
	body     awkStmt // nil: print
	active   bool
}

// awkProgram is a program read.
type awkProgram struct {
	begin, end []awkStmt
	rules      []*awkRule
	globals    []string
	functions  map[string]*awkFunction
}

package kernel

// Termios are the settings of a terminal, as termios(3) has them, by their Linux numbers.
type Termios struct {
	Iflag, Oflag, Cflag, Lflag uint32
	CC                         [19]byte // control characters by VINTR and so on
}

// Flags of Termios that the line discipline knows; others are kept and have no effect.
const (
	ICRNL uint32 = 0o400 // Iflag: carriage return is read as newline
	INLCR uint32 = 0o100 // newline is read as carriage return
	IGNCR uint32 = 0o200 // carriage return is dropped
	OPOST uint32 = 0o1   // Oflag: output is processed
	ONLCR uint32 = 0o4   // newline is written as carriage return and newline

	ISIG    uint32 = 0o1 // Lflag: ^C ^\ ^Z send signals
	ICANON  uint32 = 0o2 // reads give lines, with editing
	ECHO    uint32 = 0o10
	ECHOE   uint32 = 0o20 // erase rubs out on the screen
	ECHOK   uint32 = 0o40 // kill rubs out the line
	ECHONL  uint32 = 0o100
	NOFLSH  uint32 = 0o200 // signals do not flush the input
	TOSTOP  uint32 = 0o400 // background writers are stopped
	ECHOCTL uint32 = 0o1000
	ECHOKE  uint32 = 0o4000
	IEXTEN  uint32 = 0o100000 // ^W ^V
)

// Places of the control characters in Termios.CC.
const (
	VINTR = iota
	VQUIT
	VERASE
	VKILL
	VEOF
	VTIME
	VMIN
	VSWTC
	VSTART
	VSTOP
	VSUSP
	VEOL
	VREPRINT
	VDISCARD
	VWERASE
	VLNEXT
	VEOL2
)

// DefaultTermios are the settings of a new terminal: those of a Linux pty, without flow control.
func DefaultTermios() Termios {
	return Termios{
		Iflag: ICRNL,
		Oflag: OPOST | ONLCR,
		Cflag: 0o277, // 38400 baud, 8 bits, receiver on
		Lflag: ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
		CC: [19]byte{
			VINTR: 'C' - '@', VQUIT: '\\' - '@', VERASE: 0x7f, VKILL: 'U' - '@', VEOF: 'D' - '@', VMIN: 1,
			VSTART: 'Q' - '@', VSTOP: 'S' - '@', VSUSP: 'Z' - '@', VREPRINT: 'R' - '@', VDISCARD: 'O' - '@',
			VWERASE: 'W' - '@', VLNEXT: 'V' - '@',
		},
	}
}

// Raw returns the settings as cfmakeraw(3) changes them: every byte is read as it comes, nothing is echoed or processed.
func (t Termios) Raw() Termios {
	t.Iflag &^= ICRNL | INLCR | IGNCR
	t.Oflag &^= OPOST
	t.Lflag &^= ECHO | ECHONL | ICANON | ISIG | IEXTEN
	t.CC[VMIN], t.CC[VTIME] = 1, 0
	return t
}

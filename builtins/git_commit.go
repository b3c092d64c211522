package builtins

import (
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// identity is who makes a commit: role is AUTHOR or COMMITTER.
func (g *git) identity(role string) (object.Signature, error) {
	s := object.Signature{When: g.p.System.Now().In(g.p.location())}
	lower := strings.ToLower(role)
	first := func(values ...string) string {
		for _, v := range values {
			if v != "" {
				return v
			}
		}
		return ""
	}
	s.Name = first(g.p.Getenv("GIT_"+role+"_NAME"), g.config(lower+".name"), g.config("user.name"))
	s.Email = first(g.p.Getenv("GIT_"+role+"_EMAIL"), g.config(lower+".email"), g.config("user.email"), g.p.Getenv("EMAIL"))
	if s.Name == "" || s.Email == "" {
		return s, fatalf("unable to auto-detect email address (got '%s@%s.(none)')\n\n*** Please tell me who you are.\n\nRun\n\n  git config --global user.email \"you@example.com\"\n  git config --global user.name \"Your Name\"\n\nto set your account's default identity.\nOmit --global to set the identity only in this repository.",
			g.p.accounts().userName(g.p.Files.Cred().UID), g.p.System.Hostname())
	}
	if text := g.p.Getenv("GIT_" + role + "_DATE"); text != "" {
		when, ok := g.date(text)
		if !ok {
			return s, fatalf("invalid date format: %s", text)
		}
		s.When = when
	}
	return s, nil
}

// date reads git's dates: "@1700000000 +0100", what date -d knows.
func (g *git) date(text string) (time.Time, bool) {
	f := strings.Fields(strings.TrimPrefix(text, "@"))
	if len(f) > 0 && len(f) <= 2 && strings.Trim(f[0], "0123456789") == "" && len(f[0]) > 8 {
		n, err := strconv.ParseInt(f[0], 10, 64)
		zone := time.UTC
		if len(f) == 2 {
			at, err := time.Parse("-0700", f[1])
			if err != nil {
				return at, false
			}
			_, offset := at.Zone()
			zone = time.FixedZone("", offset)
		}
		return time.Unix(n, 0).In(zone), err == nil
	}
	if strings.HasPrefix(text, "format:") {
		return time.Time{}, false
	}
	return parseDate(text, g.p.System.Now(), g.p.location())
}

// cleanMessage takes out comments and blank lines at the ends, and doubled ones.
func cleanMessage(text string, comments bool) string {
	var kept []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		if comments && strings.HasPrefix(line, "#") || line == "" && (len(kept) == 0 || kept[len(kept)-1] == "") {
			continue
		}
		kept = append(kept, line)
	}
	for len(kept) > 0 && kept[len(kept)-1] == "" {
		kept = kept[:len(kept)-1]
	}
	if len(kept) == 0 {
		return ""
	}
	return strings.Join(kept, "\n") + "\n"
}

// message is the message of a commit or a tag as the options give it; ok says that there is any.
func (g *git) message(c gitCall) (text string, ok bool, err error) {
	for _, o := range c.opts {
		switch o.name {
		case "m":
			if ok {
				text += "\n"
			}
			text, ok = text+o.value+"\n", true
		case "F":
			var data []byte
			if o.value == "-" {
				data, err = io.ReadAll(g.p.Stdin)
			} else {
				data, err = g.p.Files.ReadFile(o.value)
			}
			if err != nil {
				return "", false, fatalf("could not read log file '%s': %s", o.value, strerror(err))
			}
			text, ok = text+string(data), true
		}
	}
	return cleanMessage(text, false), ok, nil
}

// gitCommitCommand is git commit.
func gitCommitCommand(g *git, c gitCall) error {
	if err := g.needTree(); err != nil {
		return err
	}
	for _, o := range []string{"i", "p", "C", "c", "fixup", "squash", "S"} {
		if c.has(o) {
			g.p.lacking("-" + o)
			return gitExit(2)
		}
	}
	x, err := g.index()
	if err != nil {
		return err
	}
	names := append(slices.Clone(c.operands), c.paths...)
	head, err := g.head()
	if err != nil {
		return err
	}
	tree := x.tree()
	if c.has("a") || len(names) > 0 {
		paths, err := g.pathspecs(names)
		if err != nil {
			return err
		}
		changes, err := x.unstaged(paths)
		if err != nil {
			return err
		}
		if len(names) > 0 { // only these
			if tree, err = g.headFiles(); err != nil {
				return err
			}
		}
		for _, ch := range changes {
			if err := x.stage(ch.name); err != nil {
				return err
			}
		}
		for name := range x.tree() {
			if paths.match(name) {
				tree[name] = x.tree()[name]
			}
		}
		for name := range tree {
			if _, ok := x.entries[name]; !ok && paths.match(name) {
				delete(tree, name)
			}
		}
	}
	text, given, err := g.message(c)
	if err != nil {
		return err
	}
	commit := &object.Commit{}
	if commit.Author, err = g.identity("AUTHOR"); err != nil {
		g.out.Flush()
		io.WriteString(g.p.Stderr, "Author identity unknown\n")
		return err
	}
	if commit.Committer, err = g.identity("COMMITTER"); err != nil {
		return err
	}
	if c.has("amend") {
		if head == nil {
			return fatalf("You have nothing to amend.")
		}
		commit.ParentHashes = head.ParentHashes
		if !given {
			text, given = head.Message, true
		}
		if !c.has("reset-author") {
			commit.Author = head.Author
		}
	} else if head != nil {
		commit.ParentHashes = []plumbing.Hash{head.Hash}
	}
	if merge, err := g.p.Files.ReadFile(g.dir + "/MERGE_HEAD"); err == nil {
		for _, f := range strings.Fields(string(merge)) {
			commit.ParentHashes = append(commit.ParentHashes, plumbing.NewHash(f))
		}
	}
	if a := c.value("author"); a != "" {
		name, rest, ok := strings.Cut(a, "<")
		if !ok || !strings.HasSuffix(rest, ">") {
			return fatalf("--author '%s' is not 'Name <email>' and matches no existing author", a)
		}
		commit.Author.Name, commit.Author.Email = strings.TrimSpace(name), strings.TrimSuffix(rest, ">")
	}
	if d := c.value("date"); d != "" {
		when, ok := g.date(d)
		if !ok {
			return fatalf("invalid date format: %s", d)
		}
		commit.Author.When = when
	}
	if commit.TreeHash, err = g.writeTree(tree); err != nil {
		return err
	}
	var was plumbing.Hash
	if head != nil {
		was = head.TreeHash
		if c.has("amend") && len(head.ParentHashes) > 0 {
			parent, err := g.repo.CommitObject(head.ParentHashes[0])
			if err != nil {
				return err
			}
			was = parent.TreeHash
		}
	}
	if same := head != nil && was == commit.TreeHash || head == nil && len(tree) == 0; same && !c.has("allow-empty") && (!c.has("amend") || len(commit.ParentHashes) > 0) && len(commit.ParentHashes) < 2 {
		s, err := g.state(nil, "", false)
		if err != nil {
			return err
		}
		doing := "commit"
		if c.has("amend") {
			doing = "amend"
			g.out.Flush()
			io.WriteString(g.p.Stderr, "You asked to amend the most recent commit, but doing so would make\nit empty. You can repeat your command with --allow-empty, or you can\nremove the commit entirely with \"git reset HEAD^\".\n")
			if s.staged, err = g.amending(x, head); err != nil {
				return err
			}
		}
		if err := g.longStatus(s, "", doing); err != nil {
			return err
		}
		return gitExit(1)
	}
	if !given {
		if text, err = g.edit("COMMIT_EDITMSG", "\n# Please enter the commit message for your changes. Lines starting\n# with '#' will be ignored, and an empty message aborts the commit.\n"); err != nil {
			return err
		}
	}
	if c.has("s") {
		line := "Signed-off-by: " + commit.Committer.Name + " <" + commit.Committer.Email + ">\n"
		if !strings.HasSuffix(text, line) {
			if !strings.Contains(text[strings.LastIndex(strings.TrimSuffix(text, "\n"), "\n")+1:], "-by: ") {
				text += "\n"
			}
			text += line
		}
	}
	if text == "" && !c.has("allow-empty-message") {
		g.out.Flush()
		io.WriteString(g.p.Stderr, "Aborting commit due to empty commit message.\n")
		return gitExit(1)
	}
	if !c.has("n") {
		if err := g.hook("pre-commit"); err != nil {
			return err
		}
	}
	commit.Message = text
	h, err := g.writeObject(commit)
	if err != nil {
		return err
	}
	if err := g.moveHead(h, "commit: "+firstLine(text)); err != nil {
		return err
	}
	if err := x.save(); err != nil {
		return err
	}
	_ = g.p.Files.Remove(g.dir + "/MERGE_HEAD")
	if c.has("q") {
		return nil
	}
	return g.committed(h, was)
}

// amending are the changes that an amended commit would have.
func (g *git) amending(x *gitIndex, head *object.Commit) ([]gitChange, error) {
	parent, err := head.Parent(0)
	if err != nil {
		return nil, err
	}
	files, err := g.files(parent.TreeHash)
	return files.compare(x.tree(), nil), err
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// hook runs a hook of the repository, if there is one.
func (g *git) hook(name string) error {
	file := g.dir + "/hooks/" + name
	info, err := g.p.Files.Stat(file)
	if err != nil || info.Mode()&0o111 == 0 {
		return nil
	}
	g.out.Flush()
	status, err := g.p.System.Run(g.p.Context, Command{Args: []string{file}, Env: g.p.Env, Dir: g.root, Stdin: g.p.Stdin, Stdout: g.p.Stdout, Stderr: g.p.Stderr})
	if err != nil {
		return fatalf("cannot run %s: %s", file, strerror(err))
	}
	if status != 0 {
		return gitExit(1)
	}
	return nil
}

// edit lets the user write a message.
func (g *git) edit(name, text string) (string, error) {
	file := g.dir + "/" + name
	if err := g.p.Files.WriteFile(file, []byte(text), 0o666); err != nil {
		return "", err
	}
	editor := g.p.Getenv("GIT_EDITOR")
	for _, e := range []string{g.config("core.editor"), g.p.Getenv("VISUAL"), g.p.Getenv("EDITOR")} {
		if editor == "" {
			editor = e
		}
	}
	if editor == "" {
		return "", gitError("no editor is in the sandbox: give the message with -m or -F, or set GIT_EDITOR")
	}
	g.out.Flush()
	status, err := g.p.System.Run(g.p.Context, Command{Args: []string{"sh", "-c", editor + ` "$@"`, editor, file}, Env: g.p.Env, Stdin: g.p.Stdin, Stdout: g.p.Stdout, Stderr: g.p.Stderr})
	if err != nil || status != 0 {
		return "", gitError("There was a problem with the editor '" + editor + "'.")
	}
	data, err := g.p.Files.ReadFile(file)
	return cleanMessage(string(data), true), err
}

// moveHead makes HEAD's branch, or HEAD itself, a commit.
func (g *git) moveHead(h plumbing.Hash, why string) error {
	ref, err := g.repo.Reference(plumbing.HEAD, false)
	if err != nil {
		return err
	}
	name, old := plumbing.HEAD, plumbing.ZeroHash
	if ref.Type() == plumbing.SymbolicReference {
		name = ref.Target()
	}
	if was, err := g.repo.Reference(name, true); err == nil {
		old = was.Hash()
	}
	if err := g.store.SetReference(plumbing.NewHashReference(name, h)); err != nil {
		return err
	}
	return g.reflog(name, old, h, why)
}

// reflog notes a move of HEAD, and of its branch.
func (g *git) reflog(name plumbing.ReferenceName, old, new plumbing.Hash, why string) error {
	if g.root == "" {
		return nil
	}
	who, err := g.identity("COMMITTER")
	if err != nil {
		who = object.Signature{Name: "root", Email: "root@" + g.p.System.Hostname(), When: g.p.System.Now()}
	}
	line := fmt.Sprintf("%s %s %s <%s> %d %s\t%s\n", old, new, who.Name, who.Email, who.When.Unix(), who.When.Format("-0700"), why)
	for _, n := range slices.Compact([]string{"HEAD", name.String()}) {
		file := g.dir + "/logs/" + n
		if err := g.p.Files.MkdirAll(path.Dir(file), 0o777); err != nil {
			return err
		}
		f, err := g.p.Files.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
		if err != nil {
			return err
		}
		if _, err := f.WriteString(line); err != nil {
			f.Close()
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// committed says what a commit has done.
func (g *git) committed(h, was plumbing.Hash) error {
	commit, err := g.repo.CommitObject(h)
	if err != nil {
		return err
	}
	where := g.branch()
	if where == "" {
		where = "detached HEAD"
	}
	if len(commit.ParentHashes) == 0 {
		where += " (root-commit)"
	}
	fmt.Fprintf(g.out, "[%s %s] %s\n", where, g.short(h), firstLine(commit.Message))
	if commit.Author.Name != commit.Committer.Name || commit.Author.Email != commit.Committer.Email {
		fmt.Fprintf(g.out, " Author: %s <%s>\n", commit.Author.Name, commit.Author.Email)
	}
	if !commit.Author.When.Equal(commit.Committer.When) {
		fmt.Fprintf(g.out, " Date: %s\n", commit.Author.When.Format(gitDateFormat))
	}
	before, err := g.files(was)
	if err != nil {
		return err
	}
	after, err := g.files(commit.TreeHash)
	if err != nil {
		return err
	}
	d := g.differ(gitCall{})
	changes := d.detect(before.compare(after, nil))
	if err := d.shortstat(changes); err != nil {
		return err
	}
	d.summary(changes)
	return nil
}

package builtins

import "slices"

// gitSubcommands are the subcommands of git.
func gitSubcommands() map[string]gitSubcommand {
	logs := slices.Concat(gitWalkOptions, gitDiffOptions[:6], gitDiffOptions[6:16], gitDiffOptions[17:])
	logs = slices.DeleteFunc(logs, func(o string) bool { return o == "quiet" || o == "exit-code" })
	refs := []string{"contains?", "merged?", "no-merged?", "points-at=", "sort=", "format=", "color?", "no-color", "column?", "no-column", "i ignore-case"}
	message := []string{"m message=", "F file="}
	return map[string]gitSubcommand{
		"init":         {run: gitInit, nowhere: true, options: []string{"q quiet", "bare", "b initial-branch=", "shared?", "template="}},
		"clone":        {run: gitClone, nowhere: true, options: []string{"q quiet", "v verbose", "progress", "n no-checkout", "bare", "mirror", "b branch=", "o origin=", "depth=", "single-branch", "no-single-branch", "no-tags", "recurse-submodules recursive?", "shallow-submodules", "j jobs=", "c config=", "l local", "no-local", "no-hardlinks", "template="}},
		"add":          {run: gitAdd, options: []string{"A all", "u update", "f force", "n dry-run", "v verbose", "ignore-errors"}},
		"rm":           {run: gitRemove, options: []string{"f force", "n dry-run", "r", "cached", "ignore-unmatch", "q quiet"}},
		"mv":           {run: gitMove, options: []string{"f force", "v verbose"}},
		"commit":       {run: gitCommitCommand, options: append(slices.Clone(message), "a all", "q quiet", "v verbose", "amend", "no-edit", "reset-author", "allow-empty", "allow-empty-message", "author=", "date=", "s signoff", "n no-verify", "no-gpg-sign", "i include", "p patch", "C reuse-message=", "c reedit-message=", "fixup=", "squash=", "S gpg-sign?", "cleanup=", "no-status", "o only")},
		"status":       {run: gitStatus, options: []string{"s short", "porcelain?", "b branch", "z", "u untracked-files?", "ignored?", "long", "v verbose", "no-renames", "ahead-behind", "no-ahead-behind"}},
		"log":          {run: gitLog, options: logs},
		"show":         {run: gitShow, options: logs},
		"rev-list":     {run: gitRevList, options: gitWalkOptions},
		"diff":         {run: gitDiffCommand, options: append(slices.Clone(gitDiffOptions), "cached staged", "no-index")},
		"rev-parse":    {run: gitRevParse, inOrder: true, raw: true},
		"describe":     {run: gitDescribe, options: []string{"tags", "all", "always", "dirty?", "abbrev=", "long", "exact-match", "match=", "exclude=", "candidates=", "first-parent"}},
		"config":       {run: gitConfigCommand, nowhere: true, options: []string{"global", "system", "local", "f file=", "l list", "get", "get-all", "get-regexp", "add", "unset", "unset-all", "replace-all", "remove-section", "bool", "int", "type=", "z null", "name-only", "show-origin", "default=", "includes", "no-includes"}},
		"remote":       {run: gitRemoteCommand, inOrder: true, options: []string{"v verbose"}},
		"branch":       {run: gitBranch, options: append(slices.Clone(refs), "l list", "a all", "r remotes", "v verbose", "q quiet", "show-current", "d delete", "D", "m move", "M", "f force", "u set-upstream-to=", "unset-upstream", "t track?", "no-track")},
		"tag":          {run: gitTag, options: append(slices.Concat(refs, message), "a annotate", "d delete", "l list", "n?", "f force", "s sign", "u local-user=", "no-sign")},
		"checkout":     {run: gitCheckout, options: []string{"b=", "B=", "q quiet", "f force", "detach d", "t track?", "no-track", "progress", "no-progress", "p patch", "m merge", "orphan=", "guess", "no-guess", "recurse-submodules", "no-recurse-submodules"}},
		"switch":       {run: gitSwitch, options: []string{"b c create=", "B C force-create=", "q quiet", "f force discard-changes", "d detach", "t track?", "no-track", "m merge", "orphan=", "guess", "no-guess", "progress", "no-progress"}},
		"restore":      {run: gitRestore, options: []string{"s source=", "S staged", "W worktree", "q quiet"}},
		"reset":        {run: gitReset, options: []string{"hard", "soft", "mixed", "q quiet", "p patch", "merge", "keep"}},
		"clean":        {run: gitClean, options: []string{"f force", "d", "n dry-run", "q quiet", "x", "X"}},
		"fetch":        {run: gitFetch, options: []string{"q quiet", "v verbose", "all", "p prune", "t tags", "n no-tags", "depth=", "f force", "unshallow", "progress", "no-progress", "no-recurse-submodules", "recurse-submodules?", "j jobs=", "update-head-ok", "no-auto-maintenance", "no-auto-gc", "prune-tags"}},
		"pull":         {run: gitPull, options: []string{"q quiet", "v verbose", "ff-only", "ff", "no-rebase", "rebase?", "r", "p prune", "t tags", "depth=", "no-stat", "no-edit", "progress", "f force", "autostash"}},
		"push":         {run: gitPush, options: []string{"q quiet", "v verbose", "f force", "force-with-lease?", "u set-upstream", "d delete", "all", "tags", "n dry-run", "atomic", "mirror", "progress", "no-progress", "porcelain", "no-verify"}},
		"submodule":    {run: gitSubmoduleCommand, inOrder: true, options: []string{"q quiet"}},
		"merge":        {run: gitMerge, options: []string{"ff-only", "ff", "no-ff", "q quiet", "n no-stat", "no-edit", "m=", "abort", "continue", "squash", "stat"}},
		"merge-base":   {run: gitMergeBase, options: []string{"a all", "is-ancestor"}},
		"ls-files":     {run: gitLsFiles, options: []string{"c cached", "o others", "i ignored", "exclude-standard", "s stage", "m modified", "d deleted", "z", "error-unmatch", "full-name"}},
		"ls-tree":      {run: gitLsTree, options: []string{"r", "t", "d", "l long", "z", "name-only name-status", "full-tree", "full-name"}},
		"ls-remote":    {run: gitLsRemote, nowhere: true, options: []string{"h heads", "t tags", "refs", "q quiet", "symref", "exit-code", "get-url", "sort="}},
		"cat-file":     {run: gitCatFile, options: []string{"t", "s", "e", "p", "batch", "batch-check"}},
		"hash-object":  {run: gitHashObject, nowhere: true, options: []string{"w", "stdin", "t="}},
		"show-ref":     {run: gitShowRef, options: []string{"heads", "tags", "verify", "q quiet", "s hash", "d dereference", "head"}},
		"for-each-ref": {run: gitForEachRef, options: append(slices.Clone(refs), "count=")},
		"symbolic-ref": {run: gitSymbolicRef, options: []string{"q quiet", "short", "m="}},
		"update-ref":   {run: gitUpdateRef, options: []string{"d", "m=", "no-deref"}},
		"version":      {run: gitVersion, nowhere: true},
	}
}

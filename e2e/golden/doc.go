// Package golden holds what a real dockerd (28.5, API 1.51) answered to a script of requests, and compares other answers with it.
//
// It sends nothing: a test that has a server asks it what each [Recording] asked, in the order of the names, and gives the
// answer to [Compare]. Start there. testdata has the recordings, one file a request.
//
// What always holds: ids, times, sizes, paths and addresses are compared by their form, everything else exactly; and a difference
// is either explained, by a line that says why, or a failure.
package golden

// Package spool keeps the output of a container in one append-only file of records: stream, time, bytes.
//
// The offset of a record in the file is its name: a reader that has read up to an offset resumes there, after
// any crash of either side. It knows neither lines nor Docker's log options; package runtime makes `docker logs`
// of it. Start reading at record.go. What always holds: a record is written by one write(2), so what a reader
// finds is whole, and a tail that a crash tore is cut off before anything is appended behind it.
package spool

// Package dockerfile applies instructions of a Dockerfile to the configuration of an image: those that docker commit and docker
// import take with --change.
//
// It does not build images: RUN, COPY, FROM and the like are refused.
//
// Start reading at [Apply]; words.go is how the rest of a line is read.
//
// What always holds: an instruction means what it means in a Dockerfile of moby 28 (builder/dockerfile, BuildKit's parser), with its
// texts of errors; what is not understood is an error.
package dockerfile

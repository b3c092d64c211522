// Package aws is what the drivers of AWS share: credentials and endpoints, the classes of the services' errors, and images in ECR.
package aws

// Package iam is roles and policies. Keys of users may do everything; what a role's keys may do, its policies say: by action, and for
// iam:PassRole by resource too. Other resources are not looked at, nor are conditions. Of AWS's own policies it has the documents of a few.
package iam

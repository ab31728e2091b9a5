//go:build tools

// Package tools pins what `make e2e` builds from this module.
package tools

import _ "github.com/rhysd/actionlint"

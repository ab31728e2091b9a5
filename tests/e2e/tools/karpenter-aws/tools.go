//go:build tools

// Package tools pins the module whose CRDs `make e2e` copies.
package tools

import _ "github.com/aws/karpenter-provider-aws/pkg/apis"

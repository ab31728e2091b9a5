"""The real control plane: API server, KEDA, Karpenter, and a kubelet that runs the real agents."""

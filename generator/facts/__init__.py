"""Dated facts about AWS, Kubernetes and the runtimes."""

"""NVIDIA FLARE as the engine that carries requests: mutual TLS, sites that only dial out, its kits and policies."""

"""What a federated round costs beside Flower's FedAvg and SecAgg+: processor time, bytes, seconds a round."""

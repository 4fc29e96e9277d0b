"""From a consortium file to participants that know each other: keys where they live, certificates, kits."""

"""Layout and colours as data: one stylesheet and one TOML file per theme."""

"""The board side: the keeper, the runtime that it starts, and what compiles engines on a builder device."""

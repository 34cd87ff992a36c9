//! Names made to deceive: each is refused with 400 or comes back byte for byte, and none becomes a file name.

// A target needs a source file; this one is compiled with each set of precompiled headers.

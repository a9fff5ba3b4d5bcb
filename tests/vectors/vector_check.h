// Tells whether a CEP vector has the form that cep/SCHEMA.md describes, so that what runs it can rely on that.
#pragma once

#include "tests/vectors/vector_reader.h"

namespace eagre::vectors {

// The first thing that is not as described. Fields that the schema does not know are let pass, and null stands for
// absence. Of the kinds about SQL only what all kinds share is looked at.
Status CheckVector(element vector);

}  // namespace eagre::vectors

"""Operations on pixels that know nothing of faces."""

/* envelope: the id of a record and the envelope around its payload; see record.h */

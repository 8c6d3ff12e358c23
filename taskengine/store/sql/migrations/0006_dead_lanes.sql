-- Lanes that were given up are counted without a look at all others.
create index lanes_dead on lanes (id) where dead;

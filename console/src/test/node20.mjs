// Vitest prints failures with Map.groupBy, which Node 20 does not have.
Map.groupBy ??= (items, key) => {
  const groups = new Map();
  for (const item of items) {
    const k = key(item);
    if (groups.has(k)) groups.get(k).push(item);
    else groups.set(k, [item]);
  }
  return groups;
};

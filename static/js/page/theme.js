// Runs before the first paint, so that a kept choice of theme does not flash. Not a module: those are deferred.
try {
  const kept = localStorage.getItem('tricast.theme');
  if (kept === 'light' || kept === 'dark') document.documentElement.dataset.theme = kept;
} catch {
  // Storage is off: the system's theme it is.
}

/** How the page of the API looks: light and dark, wide and narrow, on paper. No font, no image. */
export const STYLE = `
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent);
  --soft: color-mix(in srgb, currentColor 6%, transparent); --get: #1a7f5a; --post: #2f6fd0;
  --put: #a5680a; --delete: #c03a3a; }
html { scroll-padding-top: 1rem; }
body { font: 16px/1.55 system-ui, sans-serif; margin: 0; display: grid;
  grid-template-columns: 17rem minmax(0, 56rem); gap: 2.5rem; padding: 0 1.25rem 6rem; }
nav { position: sticky; top: 0; align-self: start; max-height: 100vh; overflow: auto;
  padding: 1.5rem 0 2rem; font-size: 0.875rem; }
nav h2 { font-size: 0.8rem; margin: 1.1rem 0 0.2rem; border: 0; text-transform: uppercase;
  letter-spacing: 0.05em; opacity: 0.7; }
nav a { display: block; padding: 0.1rem 0 0.1rem 3.9rem; text-indent: -3.9rem; overflow-wrap: anywhere; text-decoration: none; color: inherit; }
nav a:hover, nav a:focus-visible { text-decoration: underline; }
code, pre, .path { font: 0.875em/1.5 ui-monospace, monospace; }
pre { background: var(--soft); border-radius: 0.4rem; padding: 0.7rem 0.9rem; overflow: auto; margin: 0.5rem 0; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
h4 { margin: 1.1rem 0 0.25rem; }
p { margin: 0.5rem 0; }
article { border: 1px solid var(--line); border-radius: 0.5rem; margin: 1rem 0; padding: 0.2rem 1rem 0.8rem; }
article:target { outline: 2px solid var(--post); }
article h3 { margin: 0.6rem 0 0.3rem; font-size: 1rem; overflow-wrap: anywhere; }
article h3 a { color: inherit; text-decoration: none; }
.method { display: inline-block; text-indent: 0; min-width: 3.6rem; font-weight: 700; }
.get { color: var(--get); } .post { color: var(--post); } .put { color: var(--put); } .delete { color: var(--delete); }
@media (prefers-color-scheme: dark) {
  :root { --get: #4fc79a; --post: #7fb0ff; --put: #e0a54a; --delete: #ff8a8a; }
}
details { margin: 0.5rem 0; }
summary { cursor: pointer; }
table { border-collapse: collapse; width: 100%; margin: 0.5rem 0; }
td, th { text-align: left; vertical-align: top; padding: 0.25rem 0.8rem 0.25rem 0; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
tr:target { background: var(--soft); }
small { opacity: 0.75; }
@media (max-width: 60rem) {
  body { grid-template-columns: minmax(0, 1fr); gap: 0; }
  nav { position: static; max-height: none; }
}
@media print { nav { display: none; } body { display: block; } }
`;

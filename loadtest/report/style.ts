/** The page's own style: nothing is fetched, light and dark follow the reader's system. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #f6f7f9; --card: #ffffff; --ink: #16191f; --soft: #5d6675; --rule: #e3e6eb;
  --good: #0b7a4b; --good-ground: #e2f5eb; --bad: #b42318; --bad-ground: #fdecea;
  --c1: #2563eb; --c2: #e07a1f; --c3: #0d9488; --c4: #b4388f; --c5: #7c5cd6; --c6: #a3860a;
  --c7: #dc4c4c; --c8: #64748b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0e1116; --card: #161b22; --ink: #e8ebf0; --soft: #97a1b0; --rule: #2a313c;
    --good: #4cd495; --good-ground: #10301f; --bad: #ff8a7d; --bad-ground: #3a1714;
    --c1: #6ea0ff; --c2: #f5a35c; --c3: #3fc7b9; --c4: #e279c3; --c5: #a98ff5; --c6: #d9bd43;
    --c7: #f58282; --c8: #94a3b8;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 26px; letter-spacing: -0.015em; margin: 0; }
h2 { font-size: 17px; margin: 40px 0 10px; }
p { margin: 4px 0 14px; color: var(--soft); max-width: 78ch; }
header { display: flex; flex-wrap: wrap; gap: 12px 20px; align-items: center; }
.verdict { font-weight: 600; padding: 5px 14px; border-radius: 99px; }
.verdict.good { color: var(--good); background: var(--good-ground); }
.verdict.bad { color: var(--bad); background: var(--bad-ground); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(230px, 1fr)); gap: 12px;
  margin: 24px 0 0; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 12px;
  padding: 16px 18px; margin: 0; min-width: 0; }
.tile b { display: block; font-size: 24px; letter-spacing: -0.02em; line-height: 1.25;
  font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 13px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr));
  gap: 16px; }
figcaption { font-weight: 600; margin-bottom: 10px; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font: 11px system-ui, sans-serif; fill: var(--soft); font-variant-numeric: tabular-nums; }
.grid { stroke: var(--rule); } .axis { stroke: var(--soft); }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.line.aside { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 3; }
.key.aside { background: var(--soft); }
.area { opacity: 0.13; } .mark { stroke: var(--bad); stroke-dasharray: 4 4; }
${[1, 2, 3, 4, 5, 6, 7, 8]
  .map(
    (i) =>
      `.line.c${i} { stroke: var(--c${i}); } .area.c${i}, .bar.c${i} { fill: var(--c${i}); } .key.c${i} { background: var(--c${i}); }`,
  )
  .join('\n')}
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 10px 0 0;
  padding: 0; font-size: 13px; color: var(--soft); }
.legend b { color: var(--ink); font-weight: 600; font-variant-numeric: tabular-nums; }
.key { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 7px; }
header + p { margin-bottom: 0; }
.narrow { max-width: 560px; }
.scroll { overflow-x: auto; padding: 4px 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }
th, td { text-align: right; padding: 7px 14px; border-bottom: 1px solid var(--rule);
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
td.words { white-space: normal; text-align: left; min-width: 24ch; }
th { color: var(--soft); font-weight: 500; font-size: 13px; }
tr:last-child td { border-bottom: 0; }
td.bad { color: var(--bad); font-weight: 600; } td.good { color: var(--good); font-weight: 600; }
footer { margin-top: 40px; color: var(--soft); font-size: 13px; }
`;

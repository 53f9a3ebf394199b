// Icons as masks: one stroke drawing each, coloured by the text around it, so that night needs no second set.

const STROKES: Record<string, string> = {
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6L6 18",
  forward: "M9 5l7 7-7 7",
  tree: "M12 21v-7M12 14c-4.5 0-7-2.3-7-5.300C5 5.5 8 3 12 3s7 2.5 7 5.700c0 3-2.5 5.3-7 5.300zM9 21h6",
  pairs: "M4 5h7v14H4zM13 5h7v14h-7z",
  heart: "M12 20S4 15 4 9.200C4 6.3 6.2 4.5 8.3 4.500c1.7 0 3 1 3.7 2.3.7-1.3 2-2.3 3.7-2.3 2.1 0 4.3 1.8 4.3 4.700C20 15 12 20 12 20z",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20.500c.8-4 3.8-6 7.5-6s6.7 2 7.5 6",
  drop: "M12 3.500c3.5 4.3 6 7.3 6 10.700a6 6 0 0 1-12 0c0-3.4 2.5-6.4 6-10.700z",
  ledger: "M6 4h12v16H6zM9 8.500h6M9 12h6M9 15.500h4",
  gift: "M4 9h16v4H4zM5.5 13h13v7h-13zM12 9v11M12 9C9 9 7.5 7.8 7.5 6.200S9.5 3.5 12 9c2.5-5.5 4.5-4.4 4.5-2.800S15 9 12 9z",
  scales: "M12 4v16M8 20h8M5 7h14M5 7l-2.5 6h5zM19 7l-2.5 6h5z",
  book: "M5 4.500h6a1 1 0 0 1 1 1V20a2 2 0 0 0-2-1.500H5zM19 4.500h-6a1 1 0 0 0-1 1V20a2 2 0 0 1 2-1.500h5z",
  shield: "M12 3.500l7 2.500v5.500c0 4.5-3 7.5-7 9-4-1.5-7-4.5-7-9V6zM9 12l2.2 2.200L15.5 10",
  gear: "M12 15.200a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.400zM12 3.500v2.700M12 17.800v2.700M3.5 12h2.700M17.8 12h2.700M6 6l1.9 1.900M16.1 16.100L18 18M18 6l-1.9 1.900M7.9 16.100L6 18",
  zoom: "M10.5 16.500a6 6 0 1 0 0-12 6 6 0 0 0 0 12zM15 15l5 5M10.5 8v5M8 10.500h5",
  check: "M5 12.500l4.5 4.500L19 7.5",
  cloud: "M7 18.500a4 4 0 0 1-.5-8A5.5 5.5 0 0 1 17 9.500a4.5 4.5 0 0 1 0 9zM4 4l16 16",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.600L7 7M17 17l1.4 1.400M18.4 5.600L17 7M7 17l-1.4 1.4",
  leaf: "M5 19c0-9 5-14 15-14 0 9-5 14-12 14-1 0-2-.3-3-1zM5 19c2-4 5-7 9-9",
  spark: "M12 4l1.8 6.200L20 12l-6.2 1.800L12 20l-1.8-6.200L4 12l6.2-1.800z",
  share: "M12 15V4M8 7.500L12 4l4 3.500M5.5 11.500V19a1 1 0 0 0 1 1h11a1 1 0 0 0 1-1v-7.5",
  export: "M12 4v11M8 11.500L12 15l4-3.500M5 19.500h14",
  bin: "M5 7h14M10 7V4.500h4V7M7 7l1 13h8l1-13M10.5 11v5.500M13.5 11v5.5",
  calendar: "M5 6h14v14H5zM5 10.500h14M9 3.500V7M15 3.500V7",
};

export function iconSheet(): string {
  const rules = Object.entries(STROKES).map(([name, stroke]) => {
    const svg = `<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='none' stroke='%23000' stroke-width='1.8' stroke-linecap='round' stroke-linejoin='round'><path d='${stroke}'/></svg>`;
    const url = `url("data:image/svg+xml,${svg.replace(/</g, "%3C").replace(/>/g, "%3E")}")`;
    return `.i-${name}{--icon:${url}}`;
  });
  return (
    "/* Drawn by art/icons.ts; do not edit. */\n" +
    ".icon{display:inline-block;flex:none;width:1.4em;height:1.4em;background-color:currentColor;-webkit-mask-image:var(--icon);mask-image:var(--icon);-webkit-mask-size:contain;mask-size:contain;-webkit-mask-repeat:no-repeat;mask-repeat:no-repeat;-webkit-mask-position:center;mask-position:center}\n" +
    rules.join("\n") +
    "\n"
  );
}

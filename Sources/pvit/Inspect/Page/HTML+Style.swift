extension HTML {
    /// The style sheet. Colours are variables, which dark mode changes.
    ///
    /// The types have the palette of Okabe and Ito, and the two scales have one hue each, so that they can be told
    /// apart with any kind of colour vision. On both scales, more contrast with the page means a larger number.
    static let style = """
        :root { color-scheme: light dark; --page: #fbfbfa; --card: #fff; --ink: #1d2129; --soft: #5b6472; --line: #dfe2e6;
          --note: #fff4d6; --bar: #3b6ea5; --bar-shifted: #e08a1e; --level: #8b93a0; --empty: #eceef1;
          --e0: #eff5fb; --e1: #dbe8f5; --e2: #c1d9ee; --e3: #9cc5e2; --e4: #70abd5; --e5: #478fc5; --e6: #2a72b1;
          --e7: #145597; --e8: #083a75; --low-ink: #1d2129; --high-ink: #fff;
          --s0: #fdf3e7; --s1: #fce4c8; --s2: #fbd0a0; --s3: #f9b670; --s4: #f29644; --s5: #e07a22; --s6: #bf5e10;
          --s7: #96460a; --s8: #6d3105; }
        @media (prefers-color-scheme: dark) { :root { --page: #14161a; --card: #1c1f25; --ink: #e6e8eb; --soft: #a0a8b4;
          --line: #343942; --note: #3d3418; --bar: #6ea5dc; --bar-shifted: #f0a44b; --level: #7d8694; --empty: #272b32;
          --e0: #16283d; --e1: #1a3654; --e2: #1f466d; --e3: #255a8b; --e4: #3272ab; --e5: #4f90c8; --e6: #78aedb;
          --e7: #a5cbea; --e8: #d6e8f7; --low-ink: #e6e8eb; --high-ink: #14161a;
          --s0: #35240f; --s1: #4a2f0f; --s2: #643d0f; --s3: #834d10; --s4: #a76317; --s5: #cb7f2c; --s6: #e5a05a;
          --s7: #f4c493; --s8: #fce6cf; } }
        * { box-sizing: border-box }
        body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
        main { max-width: 74rem; margin: 0 auto; padding: 1.2rem 12px 3rem }
        h1 { font-size: 1.5rem; line-height: 1.25; margin: .2rem 0; overflow-wrap: anywhere }
        h2 { font-size: 1.15rem; margin: 0 0 .5rem } h3 { font-size: .95rem; margin: .4rem 0; overflow-wrap: anywhere }
        p { margin: .4rem 0; max-width: 46rem; overflow-wrap: anywhere } .soft { color: var(--soft) }
        section { margin-top: 2.2rem; padding-top: 1.1rem; border-top: 1px solid var(--line) }
        .note { background: var(--note); padding: .5rem .8rem; border-radius: .4rem }
        dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .15rem 1.2rem; margin: .8rem 0 }
        dt { color: var(--soft) } dd { margin: 0; overflow-wrap: anywhere }
        .figures { list-style: none; display: grid; grid-template-columns: 1fr 1fr; gap: .6rem; padding: 0; margin: 1rem 0 }
        @media (min-width: 40rem) { .figures { grid-template-columns: repeat(4, 1fr) } }
        .figures li { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .8rem }
        .figures span { display: block; color: var(--soft); font-size: .85rem }
        .figures .value { color: var(--ink); font-size: 1.3rem; font-weight: 600 }
        .columns { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; align-items: flex-start; margin: .6rem 0 }
        .columns > div { min-width: 0; max-width: 100% }
        .scroll { overflow-x: auto } table { border-collapse: collapse; font-size: .87rem; margin: .3rem 0 }
        figure { margin: .5rem 0 } figcaption { color: var(--soft); font-size: .87rem }
        th { text-align: left; color: var(--soft); font-weight: normal; border-bottom: 1px solid var(--soft) }
        td, th { padding: .15rem .9rem .15rem 0; white-space: nowrap } td { border-bottom: 1px solid var(--line) }
        .wraps td { white-space: normal; overflow-wrap: anywhere } .wraps td:first-child { min-width: 6.5rem }
        .number { text-align: right; font-variant-numeric: tabular-nums }
        details { margin: .5rem 0 } summary { cursor: pointer; color: var(--soft) }
        svg { display: block; width: 336px; max-width: 100%; height: auto; font: 11px system-ui, sans-serif }
        svg text { fill: var(--ink) } svg .soft { fill: var(--soft) } svg .end { text-anchor: end }
        svg .middle { text-anchor: middle } svg .title { font-size: 12px; font-weight: 600 } svg .small { font-size: 10px }
        svg .axis { stroke: var(--soft) } svg .grid { stroke: var(--line) } svg .level { stroke: var(--level) }
        svg .curve { fill: none; stroke: var(--bar); stroke-width: 2 }
        svg .bar { fill: var(--bar) } svg .bar-shifted { fill: var(--bar-shifted) } svg .empty { fill: var(--empty) }
        svg text.low { fill: var(--low-ink) } svg text.high { fill: var(--high-ink) }
        \((0..<9).map { "svg .e\($0) { fill: var(--e\($0)) } svg .s\($0) { fill: var(--s\($0)) }" }.joined(separator: "\n"))
        svg .t0 { fill: #0072b2 } svg .t1 { fill: #e69f00 } svg .t2 { fill: #009e73 } svg .t3 { fill: #cc79a7 }
        svg .t4 { fill: #56b4e9 } svg .t5 { fill: #d55e00 } svg .t6 { fill: #b8a80a } svg .t7 { fill: #8b93a0 }
        """
}

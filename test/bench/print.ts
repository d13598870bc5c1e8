/** A table for people. */
import * as os from "node:os"
import type { Row, Table } from "./harness.ts"

const number = (value: number): string =>
  Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3)

/** Prints what was measured as a table in Markdown. `others`: how many processors were busy with something else. */
export const print = (table: Table, rows: ReadonlyArray<Row & { readonly bytes?: number }>, others: number): void => {
  const { unit = "ns" } = table
  const counts = Object.keys(Object.assign({}, ...rows.map(({ counts }) => counts)))
  const cells = [
    [
      table.title,
      unit,
      "±",
      ...table.floors.map((floor) => `× ${floor}`),
      ...(table.floors.length === 0 ? [] : [`${unit} more`]),
      ...(table.weighed === undefined ? [] : ["bytes"]),
      ...counts
    ],
    ...rows.map((row) => [
      row.name,
      number(row.median),
      `${Math.round((row.spread * 100) / 2)}%`,
      ...table.floors.map((floor) => row.ratios[floor]!.toFixed(2)),
      ...(table.floors.length === 0 ? [] : [number(row.added)]),
      ...(row.bytes === undefined ? [] : [number(row.bytes)]),
      ...counts.map((count) => String(row.counts[count] ?? ""))
    ])
  ]
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)))
  const line = (row: ReadonlyArray<string>) =>
    `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join(" | ")} |`
  const rule = `|${widths.map((width, column) => "-".repeat(width + 1) + (column === 0 ? "-" : ":")).join("|")}|`
  console.log([line(cells[0]!), rule, ...cells.slice(1).map(line)].join("\n"))
  const notes = [
    ...(unit === "ns" ? [`ns: ${table.time ?? "processor"} time, ±: half of the rounds`] : []),
    ...(table.floors.length === 0 ? [] : [`"${unit} more" is over ${table.floors.at(-1)}`])
  ]
  console.log(
    [
      ...(notes.length === 0 ? [] : [`${notes.join("; ")}.`]),
      `Others kept ${others.toFixed(1)} of ${os.cpus().length} processors busy.`,
      ...(table.note === undefined ? [] : [`${table.note}.`])
    ].join(" ") + "\n"
  )
}

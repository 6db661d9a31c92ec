// Checks a dashboard against the types that Grafana publishes as @grafana/schema.
//
//   npm ci && node check.mjs [FILE]        (default: ../mesos-command.json)
//
// The JSON becomes a constant of the type Dashboard, so the compiler reports unknown keys, missing
// ones and wrong values. Panel options and queries are free-form in that schema; the Rust tests
// check the queries.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const file = resolve(process.argv[2] ?? join(here, '..', 'mesos-command.json'));
const json = JSON.stringify(JSON.parse(readFileSync(file, 'utf8')), null, 2);

// The schema's string enums accept no literals, though literals are all that JSON has: Json<T> is T
// with each such enum replaced by the union of its values.
const types = `
import type { Dashboard } from '@grafana/schema';
type Json<T> = T extends string ? \`\${T}\`
  : T extends (infer U)[] ? Json<U>[]
  : T extends object ? { [K in keyof T]: Json<T[K]> }
  : T;
`;

// Inside this folder, where the compiler finds node_modules.
const folder = mkdtempSync(join(here, 'check-'));
let status = 1;
try {
  const source = join(folder, 'dashboard.ts');
  writeFileSync(source, `${types}export const dashboard: Json<Dashboard> = ${json};\n`);
  const tsc = join(here, 'node_modules', '.bin', 'tsc');
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'esnext'];
  const run = spawnSync(tsc, [...options, '--moduleResolution', 'bundler', source], {
    stdio: 'inherit',
  });
  if (run.error) console.error(`${tsc}: ${run.error.message}: run npm ci first`);
  status = run.status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(status);

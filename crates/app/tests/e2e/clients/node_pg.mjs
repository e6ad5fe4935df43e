// node-postgres. Arguments: HOST PORT CA USER; the password in PGPASSWORD, the folder with `pg` in POLDER_JUDGE_NODE_PG. Prints one JSON object.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.POLDER_JUDGE_NODE_PG}/package.json`);
const pg = require('pg');

const VISITS = 'select id, patient, region, born, amount, seen, urgent, weight, note from visits order by id';
const BIG = 'select a.id as l, b.id as r, a.label || b.label as label from samples a cross join samples b where b.id <= 256';

const [host, port, ca, user] = process.argv.slice(2);
const where = { host, port: Number(port), database: 'polder', user, ssl: { ca: readFileSync(ca, 'utf8') }, enableChannelBinding: true };
// A day has no hour: as it was sent, not as this machine's zone has it.
pg.types.setTypeParser(pg.types.builtins.DATE, (text) => text);

const told = {};
const client = new pg.Client(where);
await client.connect();

const visits = await client.query({ text: VISITS, rowMode: 'array' });
told.types = Object.fromEntries(visits.fields.map((field) => [field.name, field.dataTypeID]));
told.rows = visits.rows.map((row) => row.map((value) => (value instanceof Date ? value.toISOString() : value)));
told.command = [visits.command, visits.rowCount];

const asked =
  'select id from visits where region = $1 and amount >= $2 and born < $3 and seen >= $4 and urgent = $5 and weight < $6 and id >= $7';
const values = ['north', '0.02', '1986-01-01', new Date('2026-01-02T00:00:00Z'), true, 100.0, 1];
told.parameters = (await client.query(asked, values)).rows.map((row) => row.id);
told.again = [];
for (const most of [1, 3, 6, 100]) {
  const named = { name: 'visits-up-to', text: 'select count(*) as n from visits where id <= $1', values: [most] };
  told.again.push((await client.query(named)).rows[0].n);
}
told.null = (await client.query('select $1::text is null as empty', [null])).rows[0].empty;
// Several statements in one message, and an answer for each.
told.several = (await client.query('select 1 as one; select count(*) as n from visits')).map((result) => Number(Object.values(result.rows[0])[0]));

// All of a result that is larger than the server's memory, which takes rows faster than this can.
const counts = { rows: 0, bytes: 0, left: 0, right: 0 };
await new Promise((resolve, reject) => {
  const big = new pg.Query({ text: BIG, rowMode: 'array' });
  big.on('row', ([left, right, label]) => {
    counts.rows += 1;
    counts.left += Number(left);
    counts.right += Number(right);
    counts.bytes += label.length;
  });
  big.on('end', resolve);
  big.on('error', reject);
  client.query(big);
});
told.stream = counts;

const refused = async (statement) => {
  try {
    await client.query(statement);
    return null;
  } catch (error) {
    return error.code;
  }
};
told.missing = await refused('select * from nothing_here');
told.written = await refused("insert into samples values (0, '')");
told.afterwards = Number((await client.query('select 1 as one')).rows[0].one);
await client.end();

const pool = new pg.Pool({ ...where, max: 3 });
const answers = await Promise.all([0, 1, 2, 3, 4, 5].map((least) => pool.query('select count(*) as n from visits where id > $1', [least])));
told.pool = answers.map((answer) => answer.rows[0].n);
await pool.end();

try {
  const wrong = new pg.Client({ ...where, password: 'wrong' });
  await wrong.connect();
  told.wrong_password = null;
} catch (error) {
  told.wrong_password = error.code;
}
try {
  const plain = new pg.Client({ ...where, ssl: false });
  await plain.connect();
  told.without_tls = null;
} catch (error) {
  told.without_tls = error.code ?? error.message;
}
console.log(JSON.stringify(told));

-- A task of pgbench: four changes of an account, each of which commits by itself, then a sort of the
-- 5,000 accounts that follow it.
\set account random(1, 95000)
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :account;
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :account;
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :account;
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :account;
SELECT count(*) FROM (
    SELECT aid FROM pgbench_accounts WHERE aid BETWEEN :account AND :account + 5000
    ORDER BY filler, abalance OFFSET 0
) AS sorted;

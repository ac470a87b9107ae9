-- A transaction of pgbench: change one account, then sort the 5,000 accounts that follow it.
\set account random(1, 95000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :account;
SELECT count(*) FROM (
    SELECT aid FROM pgbench_accounts WHERE aid BETWEEN :account AND :account + 5000
    ORDER BY filler, abalance OFFSET 0
) AS sorted;
END;

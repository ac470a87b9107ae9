-- One line of JSON: figures per task, of which psql's variable "done" is the number, and the
-- settings in force, of which "names" is a list, in the units of pg_settings.
SELECT json_build_object(
    'totals', (
        SELECT json_build_object(
            'temp_kb', 8 * sum(temp_blks_written) / :done,
            'jit_ms', sum(jit_generation_time + jit_inlining_time + jit_optimization_time
                          + jit_emission_time) / :done,
            'cache_hit_ratio', sum(shared_blks_hit) / sum(shared_blks_hit + shared_blks_read)
        )
        FROM pg_stat_statements
    ),
    'effective_params', (
        SELECT json_object_agg(
            name,
            CASE WHEN vartype IN ('integer', 'real') THEN to_json(setting::numeric)
                 ELSE to_json(setting) END
        )
        FROM pg_settings
        WHERE name = ANY (string_to_array(:'names', ','))
    )
);
